//! A hostile program and a host for it, for the tests of the sandbox.
//!
//! `attack` tries attacks and prints for each whether it succeeded. `host` is a small host with
//! something to lose, which runs the same program confined or not.
#![expect(unsafe_code, reason = "attacks are system calls")]
#![expect(
    clippy::unwrap_used,
    reason = "a test's program may fall over; its test will say so"
)]
#![expect(clippy::print_stdout, reason = "it reports to its test")]

#[cfg(target_os = "linux")]
mod attacks;
#[cfg(target_os = "linux")]
mod bombs;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(target_os = "linux")]
mod surroundings;

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mode, rest) = arguments.split_first().unwrap();
    match mode.as_str() {
        "attack" => attacks::run(rest),
        "bomb" => bombs::run(rest),
        "daemon" => bombs::daemon(&rest[0]),
        "host" => host::run(rest),
        "look" => surroundings::show(),
        "sleep" => bombs::sleep(),
        other => println!("unknown mode {other}"),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("only Linux has something to attack here");
}
