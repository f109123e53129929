//! A plugin that misbehaves on demand, to try out hosts with.
//!
//! Each argument is a switch (see [`switch::Switch`]), and so is each line of a file `switches` in its
//! package; without one it behaves. It takes its name from
//! the host and its tools from the manifest that the host sends, and what a tool does follows from its
//! name: `echo`, `nap`, `sleep`, `stuck`, `deaf`, `crash`, `look`,
//! `ask`, `late`, `recall`, `beats`, `fork`, `print`, `flood`, `say`, `attack`, `bomb`.

mod attack;
mod bomb;
mod channel;
mod opening;
mod switch;
mod tools;

use std::process::ExitCode;

use channel::Channel;
use switch::Switches;

fn main() -> ExitCode {
    let more = std::fs::read_to_string("switches").unwrap_or_default();
    let arguments = std::env::args().skip(1);
    let switches = match Switches::of(arguments.chain(more.lines().map(str::to_owned))) {
        Ok(switches) => switches,
        Err(unknown) => return fail(&format!("there is no switch {unknown}")),
    };
    let Some((stream, secret)) = channel::inherited() else {
        return fail("this is a plugin; a keyway host starts it");
    };
    match opening::open(Channel::new(stream), secret, &switches) {
        Ok(channel) => tools::serve(&channel, &switches),
        Err(problem) => fail(&problem),
    }
}

/// Says what is wrong where the host keeps it.
fn fail(problem: &str) -> ExitCode {
    use std::io::Write as _;
    // Nobody may be left to read it.
    let _ = writeln!(std::io::stderr(), "keyway-stress: {problem}");
    ExitCode::from(2)
}
