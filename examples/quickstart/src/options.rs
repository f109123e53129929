//! What the command line says. Parsed once, here; nothing else reads the arguments.

use std::path::PathBuf;

/// Text of `--help`.
pub(crate) const HELP: &str = "\
A small agent runtime on keyway-host, at work on this repository.

Usage: cargo run -p quickstart -- [OPTIONS]

Options:
  --dir DIR    State folder to leave behind [default: .keyway]
               Emptied at the start if an earlier run made it; never if something else did
  --repo DIR   Folder the agent works on [default: this repository]
  --ask        Ask on the terminal before each approval
  --help       Print this

A real model instead of the scripted one (any OpenAI-compatible chat endpoint):
  OPENAI_BASE_URL   For example https://api.openai.com/v1
  OPENAI_API_KEY    The key; it is never printed or stored
  OPENAI_MODEL      For example gpt-5-mini
  QUICKSTART_TASK   What to ask for, instead of the built-in task
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Run(Options),
}

/// How to do it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) state_dir: PathBuf,
    pub(crate) repo: PathBuf,
    pub(crate) ask: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            state_dir: ".keyway".into(),
            repo: concat!(env!("CARGO_MANIFEST_DIR"), "/../..").into(),
            ask: false,
        }
    }
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// What is wrong and what would be right, in one line.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--ask" => options.ask = true,
            "--dir" => options.state_dir = folder("--dir", arguments.next())?,
            "--help" | "-h" => return Ok(Command::Help),
            "--repo" => options.repo = folder("--repo", arguments.next())?,
            other => {
                return Err(format!(
                    "unexpected `{other}`, expected --dir DIR, --repo DIR, --ask or --help"
                ));
            }
        }
    }
    Ok(Command::Run(options))
}

fn folder(option: &str, value: Option<String>) -> Result<PathBuf, String> {
    match value {
        Some(value) if !value.is_empty() => Ok(value.into()),
        _ => Err(format!(
            "{option} needs a folder: {option} target/quickstart"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Options, parse};

    #[track_caller]
    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_line_of_options_is_read_and_a_wrong_one_says_what_is_right() {
        assert_eq!(parsed(""), Ok(Command::Run(Options::default())));
        let asked = Options {
            ask: true,
            state_dir: "x".into(),
            ..Options::default()
        };
        assert_eq!(parsed("--ask --dir x"), Ok(Command::Run(asked)));
        assert_eq!(parsed("--dir x --help"), Ok(Command::Help));
        let wrong = parsed("--fast").unwrap_err();
        assert!(wrong.contains("`--fast`") && wrong.contains("--ask"));
        assert!(parsed("--dir").unwrap_err().contains("needs a folder"));
    }
}
