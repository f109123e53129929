//! System calls that are safe between a fork and an exec: no allocation, no lock, no state of libc
//! but the thread's own error number. The child of a process with many threads may use no others.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use seccompiler::sock_filter;

/// A number of the operating system that says what went wrong.
pub(super) type Errno = i32;

/// The size of the kernel's set of signals.
const SIGNAL_SET: usize = 8;

/// Performs a system call.
///
/// # Safety
/// The arguments must be what this system call wants: pointers valid for as long as it uses them.
#[expect(
    unsafe_code,
    reason = "the one door to the kernel; callers uphold its contract"
)]
unsafe fn call(number: libc::c_long, args: [usize; 5]) -> Result<usize, Errno> {
    let [a, b, c, d, e] = args;
    // SAFETY: the caller upholds the contract of this system call.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result == -1 {
        // SAFETY: libc gives every thread a place for its error number.
        return Err(unsafe { *libc::__errno_location() });
    }
    Ok(result.cast_unsigned() as usize)
}

/// A signed number as the kernel takes it.
fn int(number: i32) -> usize {
    (number as isize).cast_unsigned()
}

macro_rules! of_numbers {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) = $number:expr, $args:expr;)*) => {
        $(
            $(#[$doc])*
            #[expect(unsafe_code, reason = "a system call that takes numbers only")]
            pub(super) fn $name($($arg: $type),*) -> Result<usize, Errno> {
                // SAFETY: numbers only; no memory of ours is touched.
                unsafe { call($number, $args) }
            }
        )*
    };
}

of_numbers! {
    /// Closes a descriptor.
    close(fd: RawFd) = libc::SYS_close, [int(fd), 0, 0, 0, 0];
    /// Closes all descriptors of a range.
    close_range(first: u32, last: u32, flags: u32)
        = libc::SYS_close_range, [first as usize, last as usize, flags as usize, 0, 0];
    /// Makes `to` a copy of `from` that stays open at the exec.
    copy_fd(from: RawFd, to: RawFd) = libc::SYS_dup3, [int(from), int(to), 0, 0, 0];
    /// Sends a signal.
    kill(pid: i32, signal: i32) = libc::SYS_kill, [int(pid), int(signal), 0, 0, 0];
    /// Restricts this thread by a Landlock ruleset.
    landlock_restrict_self(ruleset: RawFd)
        = libc::SYS_landlock_restrict_self, [int(ruleset), 0, 0, 0, 0];
    /// Returns the version of Landlock's interface.
    landlock_version() = libc::SYS_landlock_create_ruleset, [0, 0, 1, 0, 0];
    /// Leaves all supplementary groups.
    leave_groups() = libc::SYS_setgroups, [0; 5];
    /// Changes a property of this process. Only for options that take one number, or a name.
    prctl(option: i32, value: usize) = libc::SYS_prctl, [int(option), value, 0, 0, 0];
    /// Sets real, effective and saved group.
    set_group(group: u32)
        = libc::SYS_setresgid, [group as usize, group as usize, group as usize, 0, 0];
    /// Sets real, effective and saved user.
    set_user(user: u32) = libc::SYS_setresuid, [user as usize, user as usize, user as usize, 0, 0];
    /// Begins a session of its own, without a terminal.
    setsid() = libc::SYS_setsid, [0; 5];
    /// Sets which permissions new files do not get.
    umask(mask: u32) = libc::SYS_umask, [mask as usize, 0, 0, 0, 0];
}

/// What a fork returns.
pub(super) enum Fork {
    Child,
    Parent(i32),
}

/// Forks this thread.
///
/// # Safety
/// The child may use nothing but this module, and must end in an exec or an exit.
#[expect(unsafe_code, reason = "a fork that libc's handlers know nothing of")]
pub(super) unsafe fn fork(flags: i32, pidfd: Option<&mut RawFd>) -> Result<Fork, Errno> {
    let at = pidfd.map_or(0, |place| std::ptr::from_mut(place).addr());
    let wanted = if at == 0 { 0 } else { libc::CLONE_PIDFD };
    let flags = int(flags | wanted | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child goes on with a copy of this stack; `at` lives long enough.
    match unsafe { call(libc::SYS_clone, [flags, 0, at, 0, 0]) }? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(i32::try_from(pid).unwrap_or(i32::MAX))),
    }
}

/// Starts a child that shares this memory, on a stack of its own, and stands still until it has
/// executed something else or ended. Returns its id.
///
/// # Safety
/// `begin` may use nothing but this module and write to nothing but its stack; `argument` must be
/// what it takes.
#[expect(
    unsafe_code,
    reason = "two processes in one memory, of which one stands still"
)]
pub(super) unsafe fn start_here(
    stack: &mut [MaybeUninit<u8>],
    begin: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    argument: *mut libc::c_void,
) -> Result<i32, Errno> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let top = stack.as_mut_ptr_range().end;
    let top = top.wrapping_sub(top.addr() % 16).cast();
    // SAFETY: the stack grows down from its end, aligned as every architecture wants it; the caller
    // vouches for the rest. libc's function is no more than the system call and the jump.
    match unsafe { libc::clone(begin, top, flags, argument) } {
        // SAFETY: libc gives every thread a place for its error number.
        -1 => Err(unsafe { *libc::__errno_location() }),
        pid => Ok(pid),
    }
}

/// Changes the working folder.
#[expect(unsafe_code, reason = "passes a path")]
pub(super) fn chdir(path: &CStr) -> Result<usize, Errno> {
    // SAFETY: the path ends with NUL.
    unsafe { call(libc::SYS_chdir, [path.as_ptr().addr(), 0, 0, 0, 0]) }
}

/// Gives up all capabilities.
#[expect(unsafe_code, reason = "passes two small structures")]
pub(super) fn drop_capabilities() -> Result<usize, Errno> {
    let header = [0x2008_0522_u32, 0]; // Version 3 of the interface, this process.
    let sets = [0_u32; 6];
    // SAFETY: both have the layout of that version.
    unsafe {
        let args = [header.as_ptr().addr(), sets.as_ptr().addr(), 0, 0, 0];
        call(libc::SYS_capset, args)
    }
}

/// Lets the kernel take back the pages of a range.
///
/// # Safety
/// Nothing may use what is there any more.
#[expect(unsafe_code, reason = "the memory is gone afterwards")]
pub(super) unsafe fn forget(from: usize, to: usize) -> Result<usize, Errno> {
    let advice = int(libc::MADV_DONTNEED);
    // SAFETY: the caller vouches for it.
    unsafe {
        call(
            libc::SYS_madvise,
            [from, to.saturating_sub(from), advice, 0, 0],
        )
    }
}

/// Becomes another program. The vectors are addresses of C strings, ended by a zero.
///
/// # Safety
/// The vectors must be just that.
#[expect(unsafe_code, reason = "passes vectors of addresses")]
pub(super) unsafe fn exec(
    file: Result<RawFd, &CStr>,
    arguments: &[usize],
    environment: &[usize],
) -> Errno {
    let (argv, envp) = (arguments.as_ptr().addr(), environment.as_ptr().addr());
    // SAFETY: the caller vouches for the vectors; the paths end with NUL.
    let result = unsafe {
        match file {
            Ok(fd) => {
                let flags = int(libc::AT_EMPTY_PATH);
                call(
                    libc::SYS_execveat,
                    [int(fd), c"".as_ptr().addr(), argv, envp, flags],
                )
            }
            Err(path) => call(libc::SYS_execve, [path.as_ptr().addr(), argv, envp, 0, 0]),
        }
    };
    result.err().unwrap_or(0)
}

/// Ends this process.
#[expect(unsafe_code, reason = "never returns")]
pub(super) fn exit(code: i32) -> ! {
    loop {
        // SAFETY: numbers only.
        let _ = unsafe { call(libc::SYS_exit_group, [int(code), 0, 0, 0, 0]) };
    }
}

/// Sets a limit of this process, soft and hard.
#[expect(unsafe_code, reason = "passes a small structure")]
pub(super) fn limit(resource: u32, soft: u64, hard: u64) -> Result<usize, Errno> {
    let limit = [soft, hard];
    // SAFETY: two numbers of 64 bits are what this call reads.
    unsafe {
        call(
            libc::SYS_prlimit64,
            [0, resource as usize, limit.as_ptr().addr(), 0, 0],
        )
    }
}

/// Opens a file.
#[expect(unsafe_code, reason = "passes a path")]
pub(super) fn open(path: &CStr, flags: i32) -> Result<RawFd, Errno> {
    let args = [int(libc::AT_FDCWD), path.as_ptr().addr(), int(flags), 0, 0];
    // SAFETY: the path ends with NUL; nothing is created, so no mode is read.
    let fd = unsafe { call(libc::SYS_openat, args) }?;
    Ok(RawFd::try_from(fd).unwrap_or(-1))
}

/// Waits until one of the descriptors is readable or closed, or the milliseconds are over.
#[expect(unsafe_code, reason = "passes an array that the kernel fills in")]
pub(super) fn poll(fds: &mut [libc::pollfd], milliseconds: Option<i64>) -> Result<usize, Errno> {
    let time = milliseconds.map(|ms| [ms / 1000, (ms % 1000) * 1_000_000]);
    let time = time.as_ref().map_or(0, |time| time.as_ptr().addr());
    let args = [fds.as_mut_ptr().addr(), fds.len(), time, 0, 0];
    // SAFETY: the array is ours and has that length.
    unsafe { call(libc::SYS_ppoll, args) }
}

/// Reads from a descriptor.
#[expect(unsafe_code, reason = "passes a buffer that the kernel fills in")]
pub(super) fn read(fd: RawFd, into: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the buffer is ours and has that length.
    unsafe {
        call(
            libc::SYS_read,
            [int(fd), into.as_mut_ptr().addr(), into.len(), 0, 0],
        )
    }
}

/// Sets all signals to what the kernel does by itself, and lets them through or not.
#[expect(unsafe_code, reason = "passes two small structures")]
pub(super) fn reset_signals(block: bool) {
    let mask = if block { u64::MAX } else { 0 };
    let default = [0_u64; 4];
    // SAFETY: an action of zeros is the default action, in the layout of every architecture; the
    // mask has the kernel's size. Signals that cannot be changed are refused, which is fine.
    unsafe {
        for signal in 1..=64 {
            let args = [signal, default.as_ptr().addr(), 0, SIGNAL_SET, 0];
            let _ = call(libc::SYS_rt_sigaction, args);
        }
        let set = std::ptr::from_ref(&mask).addr();
        let args = [int(libc::SIG_SETMASK), set, 0, SIGNAL_SET, 0];
        let _ = call(libc::SYS_rt_sigprocmask, args);
    }
}

/// Blocks all signals on this thread, for good.
#[expect(unsafe_code, reason = "passes a small structure")]
pub(super) fn block_signals() {
    let mask = u64::MAX;
    let args = [
        int(libc::SIG_SETMASK),
        std::ptr::from_ref(&mask).addr(),
        0,
        SIGNAL_SET,
        0,
    ];
    // SAFETY: the mask has the kernel's size.
    let _ = unsafe { call(libc::SYS_rt_sigprocmask, args) };
}

/// Installs a filter over system calls.
#[expect(unsafe_code, reason = "passes a program for the kernel's filter")]
pub(super) fn filter(program: &[sock_filter]) -> Result<usize, Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(u16::MAX),
        filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: the instructions have the kernel's layout; it copies them.
    unsafe {
        call(
            libc::SYS_seccomp,
            [1, 0, std::ptr::from_ref(&program).addr(), 0, 0],
        )
    }
}

/// Returns whether the kernel's filter can refuse a call with an error.
#[expect(unsafe_code, reason = "passes a number by reference")]
pub(super) fn can_filter() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the call reads one number of 32 bits.
    unsafe {
        call(
            libc::SYS_seccomp,
            [2, 0, std::ptr::from_ref(&action).addr(), 0, 0],
        )
    }
    .is_ok()
}

/// Returns a descriptor that is readable while a child has ended unnoticed.
#[expect(unsafe_code, reason = "passes a small structure")]
pub(super) fn child_events() -> Result<RawFd, Errno> {
    let mask = 1_u64 << (libc::SIGCHLD - 1);
    let flags = int(libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
    let args = [
        int(-1),
        std::ptr::from_ref(&mask).addr(),
        SIGNAL_SET,
        flags,
        0,
    ];
    // SAFETY: the mask has the kernel's size.
    let fd = unsafe { call(libc::SYS_signalfd4, args) }?;
    Ok(RawFd::try_from(fd).unwrap_or(-1))
}

/// Takes note of one ended child, without blocking: its id and how it ended; 0 if none has.
#[expect(unsafe_code, reason = "passes a number that the kernel fills in")]
pub(super) fn wait_any() -> Result<(i32, i32), Errno> {
    let mut status = 0_i32;
    let options = int(libc::WNOHANG | libc::__WALL);
    let args = [
        int(-1),
        std::ptr::from_mut(&mut status).addr(),
        options,
        0,
        0,
    ];
    // SAFETY: the place for the status is ours.
    let pid = unsafe { call(libc::SYS_wait4, args) }?;
    Ok((i32::try_from(pid).unwrap_or(0), status))
}

/// Writes to a descriptor.
#[expect(unsafe_code, reason = "passes a buffer")]
pub(super) fn write(fd: RawFd, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the buffer is ours and has that length.
    unsafe {
        call(
            libc::SYS_write,
            [int(fd), bytes.as_ptr().addr(), bytes.len(), 0, 0],
        )
    }
}
