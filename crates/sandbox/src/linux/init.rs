//! The reaper: the first process of a program's tree, which starts it and ends all of it.
//!
//! In a process namespace its own end is the end of all others, by the kernel. Without one it
//! adopts every process whose parent dies, and ends them until none is left. It hears of its host's
//! end by the closing of a socket, and in a namespace by a signal as well.

use std::hint::black_box;
use std::os::fd::RawFd;

use super::sys;

/// The host asks the reaper to ask the program to end.
pub(super) const TERMINATE: u8 = b'T';
/// The host asks the reaper to kill.
pub(super) const KILL: u8 = b'K';

/// Where the reaper keeps the socket to its host.
const CONTROL: RawFd = 0;

/// What the reaper knows. It is copied to the stack: all else is forgotten.
#[derive(Clone, Copy)]
pub(super) struct Init {
    pub(super) control: RawFd,
    pub(super) program: i32,
    pub(super) namespaced: bool,
}

/// Runs the reaper until the program has ended, or the host wants it to or is gone.
pub(super) fn run(init: Init) -> ! {
    let mut init = black_box(init);
    if sys::copy_fd(init.control, CONTROL).is_err() {
        sys::exit(126);
    }
    init.control = CONTROL;
    // Pipes must close when the program closes them, so the reaper keeps no copy.
    let _ = sys::close_range(1, u32::MAX, 0);
    forget_host();
    let status = watch(init);
    if !init.namespaced {
        sweep(init.program);
    }
    if let Some(status) = status {
        let _ = sys::write(init.control, &status.to_ne_bytes());
    }
    sys::exit(0)
}

/// Waits for the first of: the program's end (which it returns), the host's wish, the host's end.
fn watch(init: Init) -> Option<i32> {
    let Ok(children) = sys::child_events() else {
        return None;
    };
    let watched = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    loop {
        // A child may have ended before its events were listened to, so this comes first.
        if let Some(status) = reap(init.program) {
            return Some(status);
        }
        let mut fds = [watched(init.control), watched(children)];
        let _ = sys::poll(&mut fds, None);
        if fds[1].revents != 0 {
            let mut events = [0; 512];
            let _ = sys::read(children, &mut events);
        }
        if fds[0].revents != 0 {
            let mut wish = [0];
            match sys::read(init.control, &mut wish) {
                Ok(1) if wish[0] == TERMINATE => terminate(init),
                _ => return None,
            }
        }
    }
}

/// Takes note of all that have ended; returns how the program did.
fn reap(program: i32) -> Option<i32> {
    let mut ended = None;
    while let Ok((pid, status)) = sys::wait_any() {
        match pid {
            0 => break,
            pid if pid == program => ended = Some(status),
            _ => {}
        }
    }
    ended
}

fn terminate(init: Init) {
    match init.namespaced {
        // Everyone but the reaper itself.
        true => {
            let _ = sys::kill(-1, libc::SIGTERM);
        }
        false => {
            let _ = sys::kill(-init.program, libc::SIGTERM);
            each_child(libc::SIGTERM);
        }
    }
}

/// Kills children until there are none: those of a killed child become the reaper's own.
fn sweep(program: i32) {
    loop {
        let _ = sys::kill(-program, libc::SIGKILL);
        each_child(libc::SIGKILL);
        loop {
            match sys::wait_any() {
                Ok((0, _)) => break,
                Ok(_) => {}
                Err(_) => return,
            }
        }
        let _ = sys::poll(&mut [], Some(1));
    }
}

/// Signals each child, as the kernel lists them.
fn each_child(signal: i32) {
    let Ok(list) = sys::open(
        c"/proc/thread-self/children",
        libc::O_RDONLY | libc::O_CLOEXEC,
    ) else {
        return;
    };
    let (mut buffer, mut pid) = ([0; 4096], 0_i32);
    while let Ok(count @ 1..) = sys::read(list, &mut buffer) {
        for &byte in buffer.iter().take(count) {
            match byte {
                b'0'..=b'9' => pid = pid.saturating_mul(10).saturating_add((byte - b'0').into()),
                _ => {
                    if pid > 1 {
                        let _ = sys::kill(pid, signal);
                    }
                    pid = 0;
                }
            }
        }
    }
    let _ = sys::close(list);
}

/// Lets go of the host's memory, which the fork has copied: its secrets are not the reaper's to
/// keep, and its pages would be held twice.
///
/// Files that are mapped stay, with the static data behind them: this code, the table of addresses
/// that it calls through, and what the C library's copying of memory was tuned to. So does the stack
/// that it runs on.
fn forget_host() {
    let here = 0_u8;
    let stack = std::ptr::from_ref(black_box(&here)).addr();
    let Ok(maps) = sys::open(c"/proc/self/maps", libc::O_RDONLY | libc::O_CLOEXEC) else {
        return;
    };
    let (mut buffer, mut line, mut file_end) = ([0; 4096], Line::default(), 0);
    while let Ok(count @ 1..) = sys::read(maps, &mut buffer) {
        for &byte in buffer.iter().take(count) {
            if byte != b'\n' {
                line.take(byte);
                continue;
            }
            let is_needed = (line.from..line.to).contains(&stack) || line.from == file_end;
            if line.is_private_memory() && !is_needed {
                forget(line.from, line.to);
            }
            file_end = if line.has_file { line.to } else { 0 };
            line = Line::default();
        }
    }
    let _ = sys::close(maps);
}

#[expect(unsafe_code, reason = "takes memory away that the reaper does not use")]
fn forget(from: usize, to: usize) {
    // SAFETY: from here on the reaper uses its stack, its code and the kernel. What is forgotten
    // reads as zeros afterwards; it stays mapped.
    let _ = unsafe { sys::forget(from, to) };
}

/// A line of the list of mappings, as far as it has been read: `from-to rwxp offset device inode`.
#[derive(Default)]
struct Line {
    field: u8,
    from: usize,
    to: usize,
    permissions: [u8; 4],
    at: usize,
    has_file: bool,
}

impl Line {
    fn take(&mut self, byte: u8) {
        match (self.field, byte) {
            (0, b'-') | (1..5, b' ') => {
                self.field += 1;
                self.at = 0;
            }
            (0, digit) => self.from = push(self.from, digit),
            (1, digit) => self.to = push(self.to, digit),
            (2, flag) => {
                if let Some(place) = self.permissions.get_mut(self.at) {
                    *place = flag;
                }
                self.at += 1;
            }
            (5, b'1'..=b'9') => self.has_file = true,
            (5, b' ') => self.field = 6,
            _ => {}
        }
    }

    fn is_private_memory(&self) -> bool {
        let [_, write, _, private] = self.permissions;
        write == b'w' && private == b'p' && !self.has_file
    }
}

fn push(number: usize, digit: u8) -> usize {
    let value = match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    };
    (number << 4) | usize::from(value)
}
