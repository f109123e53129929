//! Takes more and more of one thing, up to a bound.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// Bytes that are taken in one piece.
const PIECE: usize = 1 << 20;

/// Takes what the arguments name, as much of it as they say, and tells how much it got.
pub(crate) fn explode(arguments: &Value) -> Value {
    let most = arguments["most"].as_u64().unwrap_or_default();
    let got = match arguments["kind"].as_str() {
        Some("descriptors") => descriptors(most),
        Some("disk") => disk(most),
        Some("memory") => memory(most),
        Some("processes") => processes(most),
        Some("spin") => spin(most),
        _ => 0,
    };
    json!(got)
}

fn descriptors(most: u64) -> u64 {
    let open = (0..most).map_while(|_| File::open("/dev/null").ok());
    count(&open.collect::<Vec<_>>())
}

/// Writes megabytes into one file.
fn disk(most: u64) -> u64 {
    let home = std::env::var_os("HOME").unwrap_or_default();
    let Ok(mut file) = File::create(Path::new(&home).join("bomb")) else {
        return 0;
    };
    let piece = vec![7; PIECE];
    let written = (0..most).take_while(|_| file.write_all(&piece).is_ok());
    u64::try_from(written.count()).unwrap_or(u64::MAX)
}

/// Holds megabytes. Where there are no more, the allocator ends the program, as it does most.
fn memory(most: u64) -> u64 {
    let held: Vec<Vec<u8>> = (0..most).map(|_| vec![7; PIECE]).collect();
    count(std::hint::black_box(&held))
}

/// Starts processes and leaves them behind.
fn processes(most: u64) -> u64 {
    let start = |_| -> Option<Child> {
        let mut command = Command::new("/bin/sleep");
        command.arg("4713").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().ok()
    };
    count(&(0..most).map_while(start).collect::<Vec<_>>())
}

/// Uses a processor for milliseconds on the wall's clock.
fn spin(most: u64) -> u64 {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            crate::tools::pause(Duration::from_millis(most));
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    });
    most
}

fn count<T>(taken: &[T]) -> u64 {
    u64::try_from(taken.len()).unwrap_or(u64::MAX)
}
