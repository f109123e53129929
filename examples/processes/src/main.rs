//! Starts plugins written in Rust, Python and Node as confined processes, then kills, reloads and
//! revokes them while calls run, and prints what happened.
//!
//! `cargo run -p processes`. The Rust plugin is the other program of this package, `rust-words`; the
//! others are in `examples/plugins`.

mod load;
mod site;
mod story;

use std::process::ExitCode;

fn main() -> ExitCode {
    match tell() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => failed(&problem),
    }
}

fn tell() -> Result<(), story::Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.enable_all().build()?;
    let told = runtime.block_on(story::tell(&mut std::io::stdout()));
    runtime.shutdown_background();
    told
}

fn failed(problem: &story::Problem) -> ExitCode {
    use std::io::Write as _;
    // Nobody may be left to read it.
    let _ = writeln!(std::io::stderr(), "processes: {problem}");
    ExitCode::FAILURE
}
