//! Attacks on the host's process and on the kernel, and a look around.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use crate::attacks::{Attack, Scene, checked};

pub(crate) const ATTACKS: &[(&str, Attack)] = &[
    ("trace_host", |scene, _| {
        // SAFETY: seizing takes no addresses and does not stop the host.
        checked(unsafe { libc::ptrace(libc::PTRACE_SEIZE, scene.host, 0, 0) }).map(drop)
    }),
    ("read_host_memory", |scene, _| read_memory(scene)),
    ("read_host_environment", |scene, _| {
        fs::read(format!("/proc/{}/environ", scene.host)).map(drop)
    }),
    ("copy_host_memory", |scene, _| {
        let mut byte = 0_u8;
        let own = iovec(&mut byte);
        let theirs = iovec(&mut byte);
        // SAFETY: one byte of ours; the address in the host is for the kernel to check.
        let copied = unsafe {
            libc::process_vm_readv(scene.host, &raw const own, 1, &raw const theirs, 1, 0)
        };
        match checked(copied as libc::c_long) {
            // That the address is not the host's was seen only after the permission was.
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok(()),
            other => other.map(drop),
        }
    }),
    ("take_host_descriptor", |scene, _| {
        // SAFETY: numbers only.
        unsafe {
            let host = checked(libc::syscall(libc::SYS_pidfd_open, scene.host, 0))?;
            checked(libc::syscall(libc::SYS_pidfd_getfd, host, 0, 0)).map(drop)
        }
    }),
    ("signal_host", |scene, _| {
        // SAFETY: numbers only; this signal is ignored unless asked for.
        checked(unsafe { libc::kill(scene.host, libc::SIGURG) }.into()).map(drop)
    }),
    ("limit_host", |scene, _| {
        let (limit, old) = (std::ptr::null(), std::ptr::null_mut());
        // SAFETY: neither a new limit nor a place for the old one is given.
        let done = unsafe { libc::prlimit(scene.host, libc::RLIMIT_CPU, limit, old) };
        checked(done.into()).map(drop)
    }),
    ("pin_host", |scene, _| {
        // SAFETY: both calls are given a whole set of processors.
        let done = unsafe {
            let (size, mut set) = (size_of::<libc::cpu_set_t>(), std::mem::zeroed());
            checked(libc::sched_getaffinity(0, size, &raw mut set).into())?;
            libc::sched_setaffinity(scene.host, size, &raw const set)
        };
        checked(done.into()).map(drop)
    }),
    ("schedule_host", |scene, _| {
        // SAFETY: a structure of zeros has no priority, which is what this policy wants.
        let done = unsafe {
            let parameters = std::mem::zeroed();
            libc::sched_setscheduler(scene.host, libc::SCHED_BATCH, &raw const parameters)
        };
        checked(done.into()).map(drop)
    }),
    ("slow_host", |scene, _| {
        // SAFETY: numbers only; the host keeps the priority that it has.
        let done = unsafe {
            let host = scene.host.cast_unsigned();
            libc::setpriority(
                libc::PRIO_PROCESS,
                host,
                libc::getpriority(libc::PRIO_PROCESS, host),
            )
        };
        checked(done.into()).map(drop)
    }),
    ("slow_hosts_disk", |scene, _| {
        let (one_process, best_effort_last) = (1, 2 << 13 | 7);
        // SAFETY: numbers only.
        let done = unsafe {
            libc::syscall(
                libc::SYS_ioprio_set,
                one_process,
                scene.host,
                best_effort_last,
            )
        };
        checked(done).map(drop)
    }),
    ("share_host_memory", |scene, _| {
        // SAFETY: numbers only, and no address is wished for.
        unsafe {
            let id = checked(libc::shmget(scene.shared, 0, 0).into())?;
            let at = libc::shmat(i32::try_from(id).unwrap(), std::ptr::null(), 0);
            checked(at as libc::c_long).map(drop)
        }
    }),
    ("use_io_uring", |_, _| {
        let mut parameters = [0_u8; 120];
        // SAFETY: the kernel's structure has 120 bytes.
        let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
        checked(ring).map(drop)
    }),
    ("make_user_namespace", |_, _| {
        in_child(|| {
            // SAFETY: numbers only.
            unsafe { libc::unshare(libc::CLONE_NEWUSER) == 0 }
        })
    }),
    ("fork_into_user_namespace", |_, _| {
        let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
        // SAFETY: a fork; the child ends at once.
        match unsafe { checked(libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0)) }? {
            // SAFETY: ends the child.
            0 => unsafe { libc::_exit(0) },
            _ => Ok(()),
        }
    }),
    ("use_keyring", |_, _| {
        // SAFETY: numbers only: the id of the session's keyring.
        checked(unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 1) }).map(drop)
    }),
];

fn iovec(byte: &mut u8) -> libc::iovec {
    libc::iovec {
        iov_base: std::ptr::from_mut(byte).cast(),
        iov_len: 1,
    }
}

/// Reads the first bytes of the host's code.
fn read_memory(scene: &Scene) -> io::Result<()> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", scene.host))?;
    let start = maps.split('-').next().unwrap_or_default();
    let start = u64::from_str_radix(start, 16).map_err(io::Error::other)?;
    let mut memory = fs::File::open(format!("/proc/{}/mem", scene.host))?;
    memory.seek(SeekFrom::Start(start))?;
    memory.read_exact(&mut [0; 4])
}

/// Tries in a child what cannot be undone.
pub(crate) fn in_child(attempt: impl FnOnce() -> bool) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: the child makes one call and ends; this program has one thread.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(i32::from(!attempt()));
        }
        libc::waitpid(pid, &raw mut status, 0);
    }
    match status {
        0 => Ok(()),
        _ => Err(io::Error::other("refused")),
    }
}

/// Prints the environment, the open descriptors, and who this is.
pub(crate) fn show() {
    for (name, value) in std::env::vars() {
        println!("env {name}={value}");
    }
    for fd in 0..1024 {
        // SAFETY: numbers only.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0 {
            println!("fd {fd}");
        }
    }
    println!("folder {}", std::env::current_dir().unwrap().display());
    // SAFETY: numbers only.
    unsafe {
        println!("user {} group {}", libc::geteuid(), libc::getegid());
        println!(
            "privileges {}",
            libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
        );
        println!("mode {:o}", libc::umask(0));
    }
}
