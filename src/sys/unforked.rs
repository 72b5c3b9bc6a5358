//! Memory for secrets of this process alone: a child that was forked finds zeros.

#[cfg(target_os = "linux")]
use memmap2::MmapMut;

/// A few bytes, all zero at first.
pub(crate) struct Unforked(Memory);

enum Memory {
    /// The kernel gives a child none of it.
    #[cfg(target_os = "linux")]
    Wiped(MmapMut),
    /// Of the process with that number.
    Plain(Box<[u8]>, Option<u32>),
}

impl Unforked {
    pub(crate) fn new(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(wiped) = wiped(len) {
            return Self(Memory::Wiped(wiped));
        }
        Self(Memory::Plain(vec![0; len].into(), process()))
    }

    /// What was there is there, until a fork.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        match &mut self.0 {
            #[cfg(target_os = "linux")]
            Memory::Wiped(bytes) => bytes,
            Memory::Plain(bytes, owner) => {
                let process = process();
                if *owner != process {
                    *owner = process;
                    bytes.fill(0);
                }
                bytes
            }
        }
    }
}

/// None on a kernel that cannot do it (Linux before 4.14, some that stand in for it).
#[cfg(target_os = "linux")]
fn wiped(len: usize) -> Option<MmapMut> {
    let mut memory = MmapMut::map_anon(len).ok()?;
    // SAFETY: the mapping is private, anonymous and `memory`'s own; in this process the advice changes nothing of it.
    let advised = unsafe { rustix::mm::madvise(memory.as_mut_ptr().cast(), len, rustix::mm::Advice::LinuxWipeOnFork) };
    advised.ok().map(|()| memory)
}

/// Where nothing forks, none.
fn process() -> Option<u32> {
    cfg!(unix).then(std::process::id)
}
