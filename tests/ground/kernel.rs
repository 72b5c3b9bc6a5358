//! A kernel that refuses, or kills for, certain calls of the current thread and of the threads it starts: seccomp.
//!
//! Each function says whether the kernel took the filter.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// `O_TMPFILE` fails with `errno`, as it does where the kernel or the file system does not know it.
#[must_use]
pub(crate) fn refuse_nameless_files(errno: i32) -> bool {
    let nameless = rule([all_of(FLAGS, libc::O_TMPFILE)]);
    install([(libc::SYS_openat, vec![nameless])], SeccompAction::Allow, SeccompAction::Errno(errno as u32))
}

/// One call fails with `errno`, whatever it is asked.
#[must_use]
pub(crate) fn refuse(call: i64, errno: i32) -> bool {
    refuse_each([call], errno)
}

/// Copying from file to file fails with `errno`, each way that the kernel knows.
#[must_use]
pub(crate) fn refuse_copying(errno: i32) -> bool {
    refuse_each([libc::SYS_copy_file_range, libc::SYS_sendfile, libc::SYS_splice], errno)
}

/// Mapping a file fails with `errno`; memory can be had as ever.
#[must_use]
pub(crate) fn refuse_mapping_files(errno: i32) -> bool {
    let not_anonymous = rule([masked(MAPPING, libc::MAP_ANONYMOUS, 0)]);
    install([(libc::SYS_mmap, vec![not_anonymous])], SeccompAction::Allow, SeccompAction::Errno(errno as u32))
}

/// Memory stays as it is for a child that is forked, as before Linux 4.14.
#[must_use]
pub(crate) fn refuse_wiping_at_a_fork() -> bool {
    let wipe = rule([masked(ADVICE, !0, libc::MADV_WIPEONFORK)]);
    install([(libc::SYS_madvise, vec![wipe])], SeccompAction::Allow, SeccompAction::Errno(libc::EINVAL as u32))
}

/// Giving another name fails with `errno`, each way that the kernel knows.
#[must_use]
pub(crate) fn refuse_renaming(errno: i32) -> bool {
    let mut calls = vec![libc::SYS_renameat, libc::SYS_renameat2];
    #[cfg(target_arch = "x86_64")]
    calls.push(libc::SYS_rename);
    refuse_each(calls, errno)
}

/// Removing a name fails.
#[must_use]
pub(crate) fn refuse_unlinking() -> bool {
    let mut calls = vec![libc::SYS_unlinkat];
    #[cfg(target_arch = "x86_64")]
    calls.push(libc::SYS_unlink);
    refuse_each(calls, libc::EACCES)
}

/// Whoever makes a file or a directory carelessly dies: not exclusively, following a symlink, for an `exec` to inherit, for others to
/// read.
#[must_use]
pub(crate) fn kill_for_careless_files() -> bool {
    let lacks = |what: i32, flag: i32| rule([masked(FLAGS, what | flag, what)]);
    let mut careless = vec![
        lacks(libc::O_CREAT, libc::O_EXCL),
        lacks(libc::O_CREAT, libc::O_NOFOLLOW),
        lacks(libc::O_CREAT, libc::O_CLOEXEC),
        lacks(libc::O_TMPFILE, libc::O_CLOEXEC),
    ];
    for bit in 0..12 {
        if 0o600 & (1 << bit) == 0 {
            careless.push(rule([all_of(FLAGS, libc::O_CREAT), all_of(MODE, 1 << bit)]));
            careless.push(rule([all_of(FLAGS, libc::O_TMPFILE), all_of(MODE, 1 << bit)]));
        }
    }
    let open_to_others = (0..12).filter(|bit| 0o700 & (1 << bit) == 0);
    let directories = open_to_others.map(|bit| rule([all_of(MODE_OF_A_DIRECTORY, 1 << bit)])).collect();
    let mut calls = vec![(libc::SYS_openat, careless), (libc::SYS_mkdirat, directories)];
    #[cfg(target_arch = "x86_64")]
    calls.extend([(libc::SYS_open, vec![]), (libc::SYS_creat, vec![]), (libc::SYS_mkdir, vec![])]);
    install(calls, SeccompAction::Allow, SeccompAction::KillProcess)
}

/// Whoever calls the system for anything but these dies.
#[must_use]
pub(crate) fn kill_for_all_but(calls: &[i64]) -> bool {
    install(calls.iter().map(|call| (*call, vec![])), SeccompAction::KillProcess, SeccompAction::Allow)
}

/// Whoever calls the system for anything but memory, locks and its own end dies.
#[must_use]
pub(crate) fn kill_for_all_but_memory() -> bool {
    kill_for_all_but(&[
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sched_yield,
    ])
}

fn refuse_each(calls: impl IntoIterator<Item = i64>, errno: i32) -> bool {
    let calls = calls.into_iter().map(|call| (call, vec![]));
    install(calls, SeccompAction::Allow, SeccompAction::Errno(errno as u32))
}

fn install(
    calls: impl IntoIterator<Item = (i64, Vec<SeccompRule>)>,
    otherwise: SeccompAction,
    then: SeccompAction,
) -> bool {
    let Ok(arch) = TargetArch::try_from(ARCH) else { return false };
    let calls: BTreeMap<_, _> = calls.into_iter().collect();
    let filter = SeccompFilter::new(calls, otherwise, then, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).is_ok()
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> SeccompRule {
    SeccompRule::new(conditions.into()).unwrap()
}

fn all_of(argument: u8, bits: i32) -> SeccompCondition {
    masked(argument, bits, bits)
}

fn masked(argument: u8, mask: i32, value: i32) -> SeccompCondition {
    let operator = SeccompCmpOp::MaskedEq(mask as u64);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value as u64).unwrap()
}

/// The third argument of `madvise`.
const ADVICE: u8 = 2;
/// The flags of `mmap`.
const MAPPING: u8 = 3;
/// The third argument of `mkdirat`.
const MODE_OF_A_DIRECTORY: u8 = 2;
/// The arguments of `openat`.
const FLAGS: u8 = 2;
const MODE: u8 = 3;
