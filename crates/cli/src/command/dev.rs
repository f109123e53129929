//! `keyway dev`: runs a package while its author changes it.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::json;

use crate::args::{DevArgs, Global};
use crate::author::watch::Watch;
use crate::failure::Failure;
use crate::output;
use crate::session::{Development, Round};

/// Changes that come within this time are one.
const SETTLE: Duration = Duration::from_millis(200);

/// What the author did.
enum Event {
    /// A file of the package changed.
    Changed,
    /// A line was typed.
    Typed(String),
    /// Standard input came to its end.
    Closed,
}

pub(super) fn run(global: &Global, args: &DevArgs) -> Result<(), Failure> {
    build(args)?;
    let (events, happened) = channel();
    let _watch = watch(folder_of(&args.path), events.clone())?;
    listen(events);
    let mut development = Development::of(&args.path)?;
    say(&development.start()?, global.json)?;
    if !global.json {
        output::help("to call a tool, type its name and arguments: TOOL {\"a\": 1}; quit ends");
    }
    while let Ok(event) = happened.recv() {
        match event {
            Event::Typed(line) if matches!(line.trim(), "quit" | "exit") => return Ok(()),
            Event::Typed(line) => call(&mut development, line.trim(), global.json)?,
            Event::Changed => follow(&mut development, args, &happened, global.json)?,
            Event::Closed if args.until_eof => return Ok(()),
            Event::Closed => {}
        }
    }
    Ok(())
}

/// Lets changes settle, builds, and reloads what has become another package.
fn follow(
    development: &mut Development,
    args: &DevArgs,
    happened: &Receiver<Event>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut typed = settle(happened);
    match build(args) {
        // What the build itself wrote is part of this round.
        Ok(()) => typed.append(&mut settle(happened)),
        Err(failure) => {
            output::warning(&failure);
            return Ok(());
        }
    }
    if let Some(round) = development.reload()? {
        say(&round, as_json)?;
    }
    for line in typed {
        call(development, line.trim(), as_json)?;
    }
    Ok(())
}

/// Waits until nothing has changed for a moment; gives the lines that were typed meanwhile.
fn settle(happened: &Receiver<Event>) -> Vec<String> {
    let mut typed = Vec::new();
    while let Ok(event) = happened.recv_timeout(SETTLE) {
        if let Event::Typed(line) = event {
            typed.push(line);
        }
    }
    typed
}

/// Runs the author's build, without a shell.
fn build(args: &DevArgs) -> Result<(), Failure> {
    let [program, rest @ ..] = args.build.as_slice() else {
        return Ok(());
    };
    let folder = folder_of(&args.path);
    let ended = Command::new(program)
        .args(rest)
        .current_dir(folder)
        .status();
    let failed = |why: String| Failure::new("BUILD_FAILED", format_args!("{program}: {why}"));
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn folder_of(path: &Path) -> &Path {
    if path.is_dir() {
        return path;
    }
    path.parent().unwrap_or(path)
}

fn watch(folder: &Path, events: Sender<Event>) -> Result<Watch, Failure> {
    // Nobody listens any more when the command has ended.
    Watch::over(folder, move || drop(events.send(Event::Changed)))
}

/// Hands the lines of standard input on, from a thread of its own.
fn listen(events: Sender<Event>) {
    let read = move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if events.send(Event::Typed(line)).is_err() {
                return;
            }
        }
        // Nobody listens any more when the command has ended.
        drop(events.send(Event::Closed));
    };
    std::thread::spawn(read);
}

fn say(round: &Round, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(round);
    }
    output::line(output::shown(&round.message));
    for (sign, lines) in [
        ("+ ", &round.added),
        ("", &round.changes),
        ("- ", &round.removed),
    ] {
        for line in lines {
            output::line(format_args!("  {sign}{}", output::shown(line)));
        }
    }
    Ok(())
}

fn call(development: &mut Development, line: &str, as_json: bool) -> Result<(), Failure> {
    if line.is_empty() {
        return Ok(());
    }
    let (tool, arguments) = line.split_once(' ').unwrap_or((line, "{}"));
    let called = development.call(tool, arguments);
    if as_json {
        return output::json(&match called {
            Ok(value) => json!({ "success": true, "tool": tool, "output": value }),
            Err(error) => {
                let (code, message) = (error.code(), error.to_string());
                json!({ "success": false, "tool": tool, "code": code, "message": message })
            }
        });
    }
    match called {
        Ok(value) => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            output::line(keyway_host::text::printable_lines(&text));
        }
        Err(error) => output::warning(output::shown(&error.to_string())),
    }
    Ok(())
}
