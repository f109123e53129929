//! Checks a plugin in any language against the protocol.
//!
//! ```sh
//! cargo run -p keyway-serve --example conformance -- --package DIR COMMAND ARGS…
//! ```
//!
//! The package (the current folder when it is left out) holds `plugin.json`; the command runs in
//! it, without an environment, with the channel on descriptor 3 and the secret on 4. Prints a line
//! for each check; exits with 1 when one failed and with 2 when it could not begin.

mod kit;

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use kit::{Launch, Line};

fn main() -> ExitCode {
    let Some(launch) = launch(env::args().skip(1).collect()) else {
        let usage = "usage: conformance [--package DIR] COMMAND [ARG…]";
        drop(writeln!(io::stderr(), "{usage}"));
        return ExitCode::from(2);
    };
    match kit::run(&launch) {
        Ok(lines) => match print(&lines) {
            Ok(()) if lines.iter().all(|line| line.verdict.is_ok()) => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        },
        Err(error) => {
            let package = launch.package.display();
            drop(writeln!(io::stderr(), "{package}: {error}"));
            ExitCode::from(2)
        }
    }
}

fn launch(mut args: Vec<String>) -> Option<Launch> {
    let mut package = PathBuf::from(".");
    if args.first().is_some_and(|arg| arg == "--package") {
        package = PathBuf::from(args.get(1)?);
        args.drain(..2);
    }
    let package = package.canonicalize().ok()?;
    let mut args = args.into_iter();
    Some(Launch {
        command: args.next()?,
        args: args.collect(),
        package,
    })
}

fn print(lines: &[Line]) -> io::Result<()> {
    let mut out = io::stdout();
    for Line { check, verdict } in lines {
        match verdict {
            Ok(()) => writeln!(out, "pass  {check}")?,
            Err(problem) => writeln!(out, "FAIL  {check}\n      {problem}")?,
        }
    }
    let failed = lines.iter().filter(|line| line.verdict.is_err()).count();
    writeln!(out, "{} checks, {failed} failed", lines.len())
}
