//! Programs that use up what they get, and programs that hide.

use std::fs::{self, File};
use std::io::Write as _;

/// Takes more and more of one thing, up to a bound, and prints how much it got.
pub(crate) fn run(arguments: &[String]) {
    let (kind, most) = (arguments[0].as_str(), arguments[1].parse::<u64>().unwrap());
    let got = match kind {
        "crowd" => crowd(most),
        "descriptors" => descriptors(most),
        "disk" => disk(most),
        "memory" => memory(most, libc::MAP_PRIVATE),
        "processes" => processes(most),
        "shared-memory" => memory(most, libc::MAP_SHARED),
        _ => spin(),
    };
    println!("got {got}");
}

/// Fills megabytes with children, each far below any limit of its own, and then as many by itself.
fn crowd(most: u64) -> u64 {
    let each = 4;
    let mut children = Vec::new();
    while (children.len() as u64 + 1) * each <= most / 2 {
        let (mut ready, tell) = std::io::pipe().unwrap();
        // SAFETY: the child fills memory and waits; this program has one thread.
        match unsafe { libc::fork() } {
            -1 => break,
            0 => {
                let _held = filled(each);
                let _ = (&tell).write_all(&[0]);
                sleep();
            }
            pid => children.push(pid),
        }
        drop(tell);
        let _ = std::io::Read::read(&mut ready, &mut [0]);
    }
    let own: Vec<_> = (0..most / 2).map(|_| filled(1)).collect();
    kill(&children);
    children.len() as u64 * each + own.len() as u64
}

/// Megabytes that were written to: what is only mapped takes up nothing.
fn filled(megabytes: u64) -> Vec<u8> {
    std::hint::black_box(vec![1; (megabytes << 20) as usize])
}

fn descriptors(most: u64) -> u64 {
    let mut held = Vec::new();
    while (held.len() as u64) < most {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(_) => break,
        }
    }
    held.len() as u64
}

/// Writes megabytes into one file.
fn disk(most: u64) -> u64 {
    let mut file = File::create("bomb").unwrap();
    let megabyte = vec![7; 1 << 20];
    let got = (0..most)
        .take_while(|_| file.write_all(&megabyte).is_ok())
        .count() as u64;
    let _ = fs::remove_file("bomb");
    got
}

/// Maps megabytes.
fn memory(most: u64, sharing: i32) -> u64 {
    let mut got = 0;
    while got < most {
        // SAFETY: new memory, used by nobody.
        let at = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(
                std::ptr::null_mut(),
                1 << 20,
                rights,
                sharing | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            break;
        }
        got += 1;
    }
    got
}

fn processes(most: u64) -> u64 {
    let mut children = Vec::new();
    while (children.len() as u64) < most {
        // SAFETY: the child waits until it is killed; this program has one thread.
        match unsafe { libc::fork() } {
            -1 => break,
            0 => sleep(),
            pid => children.push(pid),
        }
    }
    kill(&children);
    children.len() as u64
}

fn kill(children: &[i32]) {
    for pid in children {
        // SAFETY: numbers only.
        unsafe { libc::kill(*pid, libc::SIGKILL) };
    }
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Waits for a signal that ends it.
pub(crate) fn sleep() -> ! {
    loop {
        // SAFETY: no arguments.
        unsafe { libc::pause() };
    }
}

/// Leaves a process behind that nobody should find: forked twice, in a session of its own, with
/// nothing open. Says `ready` when it is there; then ends or stays, as is wished.
pub(crate) fn daemon(wish: &str) {
    let (mut ready, tell) = std::io::pipe().unwrap();
    // SAFETY: the children close what they have and wait; this program has one thread.
    unsafe {
        if libc::fork() == 0 {
            libc::setsid();
            if libc::fork() == 0 {
                libc::signal(libc::SIGTERM, libc::SIG_IGN);
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                drop((ready, tell));
                libc::close_range(0, u32::MAX, 0);
                sleep();
            }
            libc::_exit(0);
        }
    }
    drop(tell);
    let _ = std::io::Read::read(&mut ready, &mut [0]);
    println!("ready");
    if wish == "stay" {
        sleep();
    }
}
