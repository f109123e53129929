//! Which system calls a confined program may not make.
//!
//! A list of refusals, not of permissions: programs need very different calls, and new ones are
//! added with each kernel. What is refused is what reaches beyond Landlock and the namespaces.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::outright;
use super::rules::TRUNCATION;
use crate::error::SpawnError;
use crate::jail::Jail;
use crate::probe::Namespaces;

/// Refused outright, as not permitted.
const REFUSED: &[libc::c_long] = &[
    // Sockets: there is no way out but what was handed over.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // What Landlock does not see: mode, owner, times and attributes of files, and watching them.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
    libc::SYS_inotify_add_watch,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // Code that is in no file.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    // Shared memory and messages of the same user.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Parts of the kernel that are rarely needed and often attacked.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    // The machine itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_vhangup,
];

/// Refused outright; only older architectures have them.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[KEXEC_FILE_LOAD];
#[cfg(not(target_arch = "x86_64"))]
const KEXEC_FILE_LOAD: libc::c_long = 294;

/// Refused as unknown to the kernel: callers then fall back to what can be filtered.
const UNKNOWN: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

// Numbers that are the same everywhere, and newer than libc's list is for some architectures.
const FCHMODAT2: libc::c_long = 452;
const SETXATTRAT: libc::c_long = 463;
const REMOVEXATTRAT: libc::c_long = 466;
const OPEN_TREE_ATTR: libc::c_long = 467;
const FILE_SETATTR: libc::c_long = 469;

/// Controls of a device or file that are refused: typing into a terminal, attributes of a file.
const CONTROLS: &[u64] = &[0x5412, 0x541c, 0x4008_6602, 0x401c_5820];

/// Every process of a user, to the calls that set priorities.
const PRIO_USER: u64 = 2;
const IOPRIO_WHO_USER: u64 = 3;

/// Each flag of a fork that would make a namespace.
const NAMESPACE_FLAGS: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Returns whether filters can be built for this architecture.
pub(super) fn is_supported() -> bool {
    TargetArch::try_from(std::env::consts::ARCH).is_ok()
}

/// Builds the filters of a jail: all of them apply, the strictest answer counts. The first also ends
/// a program that makes calls of another architecture.
pub(super) fn programs(jail: &Jail) -> Result<Vec<BpfProgram>, SpawnError> {
    if !jail.probe.seccomp {
        return Ok(Vec::new());
    }
    let failed = |words: String| SpawnError::Host {
        what: "building the filter over system calls",
        source: std::io::Error::other(words),
    };
    let conditional = conditional(jail).and_then(compile);
    let conditional = conditional.map_err(|error| failed(error.to_string()))?;
    let outright = outright::refuse(&numbers(jail));
    let outright = outright.ok_or_else(|| failed("too many system calls".to_owned()))?;
    Ok(vec![conditional, outright])
}

fn compile(rules: Rules) -> Result<BpfProgram, BackendError> {
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()
}

/// What is refused whatever its arguments are, with the error that says so.
fn numbers(jail: &Jail) -> BTreeMap<u32, i32> {
    let truncate = (jail.probe.landlock < TRUNCATION).then_some(&libc::SYS_truncate);
    let refused = REFUSED.iter().chain(REFUSED_HERE).chain(truncate);
    let refused = refused.map(|number| (number, libc::EPERM));
    let unknown = UNKNOWN.iter().map(|number| (number, libc::ENOSYS));
    // No number of a system call is negative.
    let numbers = refused.chain(unknown);
    numbers
        .filter_map(|(number, errno)| Some((u32::try_from(*number).ok()?, errno)))
        .collect()
}

/// What is refused with some arguments.
fn conditional(jail: &Jail) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    // Datagram sockets can be pointed at any other; connected ones cannot.
    rules.insert(
        libc::SYS_socketpair,
        vec![
            is_not(0, libc::AF_UNIX)?,
            has(1, 0xf, libc::SOCK_DGRAM)?,
            has(1, 0xf, libc::SOCK_RAW)?,
        ],
    );
    // Limits of others; a program may see and lower its own.
    rules.insert(libc::SYS_prlimit64, vec![is_not(0, 0)?]);
    if jail.probe.namespaces == Namespaces::None {
        others_share_of_time(&mut rules)?;
    }
    let flags = NAMESPACE_FLAGS.iter().map(|flag| has(0, *flag, *flag));
    rules.insert(libc::SYS_clone, flags.collect::<Result<_, _>>()?);
    let controls = CONTROLS.iter().map(|control| is(1, *control));
    rules.insert(libc::SYS_ioctl, controls.collect::<Result<_, _>>()?);
    // A lease on a file makes others wait for it.
    rules.insert(libc::SYS_fcntl, vec![is(1, 1024)?]);
    if jail.limits.memory().is_some() {
        // The only memory that its limit does not count.
        let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        rules.insert(libc::SYS_mmap, vec![has(3, shared, shared)?]);
    }
    Ok(rules)
}

/// Refuses to set who gets how much of the processors and the disk, but for the calling thread: where
/// processes of others have numbers, the host's would be slowed or bound to one processor.
fn others_share_of_time(rules: &mut Rules) -> Result<(), BackendError> {
    for number in [
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setattr,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setscheduler,
    ] {
        rules.insert(number, vec![is_not(0, 0)?]);
    }
    // These also take a zero for every process of the user.
    for (number, user) in [
        (libc::SYS_ioprio_set, IOPRIO_WHO_USER),
        (libc::SYS_setpriority, PRIO_USER),
    ] {
        rules.insert(number, vec![is(0, user)?, is_not(1, 0)?]);
    }
    Ok(())
}

fn rule(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)?;
    SeccompRule::new(vec![condition])
}

fn is(argument: u8, value: u64) -> Result<SeccompRule, BackendError> {
    rule(argument, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: i32) -> Result<SeccompRule, BackendError> {
    rule(argument, SeccompCmpOp::Ne, u64::from(value.cast_unsigned()))
}

fn has(argument: u8, mask: i32, value: i32) -> Result<SeccompRule, BackendError> {
    let mask = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
    rule(argument, mask, u64::from(value.cast_unsigned()))
}
