//! P9 and P11 of `tokio::AsyncSpooledTempFile`, counted by the kernel: nothing on files in memory; on disk an errand for each
//! 256 KiB that is written, and for what is cached a read for each window and no errand.
//!
//! What the task asks of the system is counted of its thread; what errands ask, of the process.
#![cfg(target_os = "linux")]

mod ground;
mod tasks;

use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut, SeekFrom, Write};
use std::path::Path;

use ground::calls::{Io, only, without_calls};
use ground::mount::Mount;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_same, bytes, child, in_time, numbers, options, skipped};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Backing, Pool, SpoolOptions};
use tasks::{Executor, at_once};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

const WINDOW: usize = 64 * KIB;
const LARGE_WINDOW: usize = 256 * KIB;
/// For a start and an end that do not fall on a window's edge.
const A_FEW: u64 = 3;

#[test]
fn p9_a_task_in_memory_makes_no_system_call_on_files() {
    let scratch = Scratch::new();
    without_calls(
        "p9_a_task_in_memory_makes_no_system_call_on_files",
        scratch.path(),
        |directory| directory.to_owned(),
        |directory| {
            for backing in BACKINGS {
                drop(AsyncSpooledTempFile::new(0));
                let mut spool = AsyncSpooledTempFile::with_options(&options(&directory, MIB, backing));
                let mut buf = [0; 1000];
                for _ in 0..500 {
                    at_once(spool.write_all(&buf)).unwrap();
                }
                at_once(spool.write_all(b"a line\n")).unwrap();
                at_once(spool.write_vectored(&[IoSlice::new(&buf), IoSlice::new(&buf)])).unwrap();
                at_once(spool.write_all(&vec![1; MIB - spool.len() as usize])).unwrap();
                assert!(!spool.is_rolled());
                assert_eq!(spool.len(), MIB as u64);
                at_once(spool.flush()).unwrap();
                at_once(spool.rewind()).unwrap();
                at_once(spool.read_exact(&mut buf)).unwrap();
                at_once(spool.read_until(b'\n', &mut vec![])).unwrap();
                assert_eq!(spool.position(), 500_007);
                assert!(!at_once(spool.fill_buf()).unwrap().is_empty());
                at_once(spool.seek(SeekFrom::End(9))).unwrap();
                at_once(spool.seek(SeekFrom::Start(9))).unwrap();
                let mut all = vec![];
                at_once(spool.read_to_end(&mut all)).unwrap();
                assert_eq!(all.len(), MIB - 9);
                at_once(spool.set_len(1000)).unwrap();
                at_once(spool.shutdown()).unwrap();
                let frozen = at_once(spool.freeze()).unwrap();
                assert_eq!(frozen.to_bytes().unwrap().len(), 1000);
                let spool = AsyncSpooledTempFile::with_options(&options(&directory, MIB, backing));
                drop(at_once(spool.into_spool()).unwrap());
            }
        },
    );
}

#[test]
fn p9_a_long_write_in_small_pieces_is_an_errand_for_each_large_window() {
    const NAME: &str = "p9_a_long_write_in_small_pieces_is_an_errand_for_each_large_window";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        return child::run(NAME, scratch.path());
    };
    let len = 64 * MIB;
    let executor = Executor::new();
    for backing in BACKINGS {
        for (threshold, piece) in [(0, 4096), (0, 1000), (WINDOW, 4096)] {
            let piece = vec![1; piece];
            let options = options(directory.as_ref(), threshold, backing);
            let before = process_writes();
            let mut spool = options.build();
            (0..len / piece.len()).for_each(|_| spool.write_all(&piece).unwrap());
            spool.flush().unwrap();
            let by_thread = process_writes() - before;
            let mut spool = AsyncSpooledTempFile::with_options(&options);
            let before = process_writes();
            let mut waits = 0;
            executor.block_on(counting(&mut waits, async {
                for _ in 0..len / piece.len() {
                    spool.write_all(&piece).await.unwrap();
                }
                spool.flush().await.unwrap();
            }));
            let writes = process_writes() - before;
            let what = format!("{len} bytes by {}, {threshold} in memory, {by_thread} by a thread", piece.len());
            // Before it is long, windows are small ones.
            // Nor is one full where the next piece would not fit as a whole.
            let most = ((len / LARGE_WINDOW + MIB / WINDOW) as u64).max(by_thread) * 51 / 50 + A_FEW;
            assert!(writes <= most, "{writes} writes, {most} allowed: {what}");
            assert!(waits <= most, "{waits} errands, {most} allowed: {what}");
            assert_eq!(spool.len(), (len / piece.len() * piece.len()) as u64);
        }
    }
}

/// How often `future` had to wait.
async fn counting<F: Future>(waits: &mut u64, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        *waits += u64::from(polled.is_pending());
        polled
    })
    .await
}

/// How many writes all threads have made.
fn process_writes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap().parse().unwrap()
}

#[test]
fn p9_small_reads_of_what_is_cached_are_a_read_for_each_window_and_no_errand() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    if !Answers::of(scratch.path()).reads {
        return skipped("the file system here does not say what its page cache has");
    }
    let executor = Executor::new();
    let content = bytes(8 * MIB, 1);
    for backing in BACKINGS {
        let mut spool = written(&executor, &options(scratch.path(), 0, backing), &content);
        for piece in [512, 4096, 10_000] {
            let mut seen = Vec::with_capacity(content.len());
            at_once(spool.rewind()).unwrap();
            let mut buf = vec![0; piece];
            let cost = io.cost(|| {
                while let Some(read) = Some(at_once(spool.read(&mut buf)).unwrap()).filter(|read| *read > 0) {
                    seen.extend_from_slice(&buf[..read]);
                }
            });
            assert_same(&seen, &content, "in pieces");
            assert!(cost.reads <= windows(content.len()), "{cost:?} by {piece}, {backing:?}");
            assert_eq!(cost.writes, 0, "{cost:?}");
        }
        at_once(spool.rewind()).unwrap();
        let cost = io.cost(|| {
            while let Some(given) = Some(at_once(spool.fill_buf()).unwrap().len()).filter(|given| *given > 0) {
                tokio::io::AsyncBufRead::consume(std::pin::Pin::new(&mut spool), given.min(700));
            }
        });
        assert_eq!(spool.position(), content.len() as u64);
        assert!(cost.reads <= windows(content.len()), "{cost:?} by fill_buf, {backing:?}");
        // Anywhere: a read each, and never a window for nothing.
        let mut buf = vec![0; 4096];
        let cost = io.cost(|| {
            for offset in numbers(content.len() as u64 - 4096, 7).take(500) {
                at_once(spool.seek(SeekFrom::Start(offset))).unwrap();
                at_once(spool.read_exact(&mut buf)).unwrap();
                assert_same(&buf, &content[offset as usize..][..4096], "anywhere");
            }
        });
        assert!(cost.reads <= 500 + A_FEW, "{cost:?} for 500 reads anywhere, {backing:?}");
        assert!(cost.bytes_read <= 500 * 3 * 4096, "{cost:?} for 500 reads anywhere, {backing:?}");
    }
}

/// A tmpfs has no answer: it is asked once for each file, and not with each read.
#[test]
fn p9_a_file_system_without_an_answer_is_asked_once_for_each_file() {
    in_time(|| {
        let Some(io) = Io::open() else { return };
        let Some(mount) = Mount::tmpfs(64 * MIB) else { return };
        let answers = Answers::of(mount.path());
        if answers.reads || answers.writes {
            return skipped("a tmpfs has an answer here");
        }
        let executor = Executor::new();
        let content = bytes(4 * MIB, 2);
        for backing in BACKINGS {
            let mut out = None;
            let cost = io.cost(|| out = Some(written(&executor, &options(mount.path(), 0, backing), &content)));
            let mut spool = out.unwrap();
            assert!(cost.writes <= 1, "{cost:?} of the task while it wrote, {backing:?}");
            let mut buf = vec![0; 4096];
            let cost = io.cost(|| {
                for _ in 0..2 {
                    executor.block_on(async {
                        spool.rewind().await.unwrap();
                        for expected in content.chunks(4096) {
                            spool.read_exact(&mut buf).await.unwrap();
                            assert_same(&buf, expected, "by 4096");
                        }
                        for offset in numbers(content.len() as u64 - 4096, 3).take(200) {
                            spool.seek(SeekFrom::Start(offset)).await.unwrap();
                            spool.read_exact(&mut buf).await.unwrap();
                            assert_same(&buf, &content[offset as usize..][..4096], "anywhere");
                        }
                    });
                }
            });
            assert!(cost.reads <= 1, "{cost:?} of the task while it read, {backing:?}");
            assert_eq!(cost.writes, 0);
        }
    });
}

/// Where writes are not answered (ext4), they are asked for once, and where reads are, errands read nothing.
#[test]
fn p9_writes_are_asked_for_once_where_only_reads_are_answered() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let answers = Answers::of(scratch.path());
    if answers.writes {
        return skipped("the file system here takes writes that do not wait");
    }
    let executor = Executor::new();
    let content = bytes(4 * MIB, 3);
    for backing in BACKINGS {
        let cost = io.cost(|| drop(written(&executor, &options(scratch.path(), 0, backing), &content)));
        assert!(cost.writes <= 1, "{cost:?} of the task, {backing:?}");
    }
}

/// On xfs a write need not wait either, where the blocks are there.
#[test]
fn p9_on_xfs_writes_over_what_is_there_are_no_errand() {
    in_time(|| {
        let Some(io) = Io::open() else { return };
        let Some(mount) = Mount::on_a_loop_device("xfs", 400 << 20) else { return };
        if !Answers::of(mount.path()).writes {
            return skipped("xfs takes no writes that do not wait here");
        }
        let executor = Executor::new();
        let content = bytes(8 * MIB, 4);
        for backing in BACKINGS {
            let mut spool = written(&executor, &options(mount.path(), 0, backing), &content);
            executor.block_on(spool.rewind()).unwrap();
            let (mut waits, again) = (0, bytes(8 * MIB, 5));
            let cost = io.cost(|| {
                executor.block_on(counting(&mut waits, async {
                    for piece in again.chunks(4096) {
                        spool.write_all(piece).await.unwrap();
                    }
                    spool.flush().await.unwrap();
                }));
            });
            // One that meets the writing back of the same pages may have to.
            let all = (content.len() / LARGE_WINDOW) as u64;
            assert!(waits <= all / 2, "{waits} errands, {cost:?}, {backing:?}");
            assert!(cost.bytes_written >= content.len() as u64 / 2, "{cost:?} of the task, {backing:?}");
            executor.block_on(async {
                let mut seen = vec![];
                spool.rewind().await.unwrap();
                spool.read_to_end(&mut seen).await.unwrap();
                assert_same(&seen, &again, "on xfs");
            });
        }
        executor.settle();
    });
}

/// Neither the task nor its errands: whoever calls the system for anything else dies.
#[test]
fn p11_a_warm_life_of_a_task_opens_makes_and_cuts_nothing() {
    const NAME: &str = "p11_a_warm_life_of_a_task_opens_makes_and_cuts_nothing";
    let scratch = Scratch::new();
    let mut calls = vec![libc::SYS_pwrite64, libc::SYS_pread64];
    calls.extend([libc::SYS_pwritev, libc::SYS_preadv, libc::SYS_pwritev2, libc::SYS_preadv2]);
    // For memory, and to make, stop and end the threads of a runtime.
    calls.extend([libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mprotect, libc::SYS_mremap, libc::SYS_madvise]);
    calls.extend([
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_clone3,
        libc::SYS_clone,
        libc::SYS_rseq,
    ]);
    calls.extend([libc::SYS_set_robust_list, libc::SYS_sigaltstack, libc::SYS_rt_sigprocmask, libc::SYS_prctl]);
    calls.extend([libc::SYS_gettid, libc::SYS_getrandom, libc::SYS_sched_getaffinity, libc::SYS_sched_yield]);
    calls.extend([libc::SYS_exit]);
    only(
        &calls,
        NAME,
        scratch.path(),
        |directory| {
            BACKINGS.map(|backing| {
                let pool = Pool::builder().dir(directory).build();
                let mut options = SpoolOptions::new();
                options.threshold(WINDOW).backing(backing).pool(&pool);
                let executor = Executor::new();
                for len in LENS {
                    executor.block_on(life(&options, len));
                }
                (pool, options)
            })
        },
        |pools| {
            let executor = Executor::new();
            for (pool, options) in pools {
                for len in LENS {
                    executor.block_on(life(options, len));
                }
                assert_eq!(pool.stats().reused_files, LENS.iter().filter(|len| **len > WINDOW).count() as u64 * 2 - 1);
            }
        },
    );
}

const LENS: [usize; 3] = [16 * MIB, 2 * KIB, 128 * KIB];

async fn life(options: &SpoolOptions, len: usize) {
    let mut spool = AsyncSpooledTempFile::with_options(options);
    let mut piece = [7; 1024];
    for _ in 0..len / piece.len() {
        spool.write_all(&piece).await.unwrap();
    }
    spool.flush().await.unwrap();
    spool.rewind().await.unwrap();
    for _ in 0..len / piece.len() {
        spool.read_exact(&mut piece).await.unwrap();
        assert!(piece == [7; 1024]);
    }
    assert_eq!(spool.read(&mut piece).await.unwrap(), 0);
}

fn written(executor: &Executor, options: &SpoolOptions, content: &[u8]) -> AsyncSpooledTempFile {
    let mut spool = AsyncSpooledTempFile::with_options(options);
    executor.block_on(async {
        for piece in content.chunks(4096) {
            spool.write_all(piece).await.unwrap();
        }
        spool.flush().await.unwrap();
    });
    spool
}

fn windows(len: usize) -> u64 {
    len.div_ceil(WINDOW) as u64 + A_FEW
}

/// What a file system can say without waiting for its disk.
struct Answers {
    reads: bool,
    writes: bool,
}

impl Answers {
    #[track_caller]
    fn of(directory: &Path) -> Self {
        let name = directory.join("probe");
        fs::write(&name, b"probe").unwrap();
        let probe = File::options().read(true).write(true).open(&name).unwrap();
        fs::remove_file(&name).unwrap();
        (&probe).write_all(b"probe").unwrap();
        let read = preadv2(&probe, &mut [IoSliceMut::new(&mut [0; 5])], 0, ReadWriteFlags::NOWAIT);
        let written = pwritev2(&probe, &[IoSlice::new(b"probe")], 0, ReadWriteFlags::NOWAIT);
        Self { reads: read != Err(Errno::OPNOTSUPP), writes: written != Err(Errno::OPNOTSUPP) }
    }
}

/// So that what is said above of errands is not said of a spool that has none.
#[test]
fn a_rolled_spool_outside_of_a_runtime_cannot_send_an_errand() {
    let scratch = Scratch::new();
    let mut spool = AsyncSpooledTempFile::with_options(&options(scratch.path(), 0, Backing::File));
    let error = at_once(spool.write(b"a byte")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Other, "{error:?}");
}
