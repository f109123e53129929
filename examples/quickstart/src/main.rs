//! A small agent runtime built on `keyway-host`, at work on this repository.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program owns its terminal"
)]

mod options;

use std::process::ExitCode;

use options::Command;

fn main() -> ExitCode {
    match options::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            println!("{}", options::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Run(options)) => {
            println!("{options:?}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("quickstart: {problem}");
            ExitCode::from(2)
        }
    }
}
