//! Strict checks of what a child process is started with (attack T11).
//!
//! A launch is one program and its arguments, never text for a shell. What an operator approves
//! must be what runs, so a command that only hands on to another one, and an interpreter that is
//! given its code in the arguments, are refused.

use std::collections::BTreeMap;

use keyway_host::digest::Digest;
use keyway_plugin_api::is_reserved_env;

use super::ConfigError;
use super::place::names_in;

/// Programs that run what their arguments say, and so hide what is approved.
const WRAPPERS: [&str; 19] = [
    "busybox", "chroot", "command", "doas", "env", "exec", "eval", "ionice", "nice", "nohup",
    "setsid", "stdbuf", "su", "sudo", "time", "timeout", "toybox", "watch", "xargs",
];

/// Shells; without a script they read code from their standard input.
const SHELLS: [&str; 13] = [
    "ash",
    "bash",
    "cmd",
    "csh",
    "dash",
    "elvish",
    "fish",
    "ksh",
    "nu",
    "powershell",
    "pwsh",
    "sh",
    "zsh",
];

/// Arguments by which an interpreter or a package runner takes code.
const INLINE_CODE: [(&str, &[&str]); 14] = [
    ("bun", &["-e", "--eval", "-p", "--print", "--preload"]),
    ("bunx", &["-e", "--eval"]),
    ("deno", &["eval", "repl", "--preload"]),
    ("lua", &["-e"]),
    (
        "node",
        &[
            "-e",
            "--eval",
            "-p",
            "--print",
            "-pe",
            "-i",
            "--interactive",
        ],
    ),
    (
        "nodejs",
        &[
            "-e",
            "--eval",
            "-p",
            "--print",
            "-pe",
            "-i",
            "--interactive",
        ],
    ),
    ("npm", &["-c", "--call"]),
    ("npx", &["-c", "--call"]),
    ("osascript", &["-e"]),
    ("perl", &["-e", "-E"]),
    ("php", &["-r", "-B", "-R", "-E"]),
    ("pnpm", &["-c", "--shell-mode"]),
    ("rscript", &["-e"]),
    ("ruby", &["-e"]),
];

/// A server that is started as a child process; made by [`super::McpServer::stdio`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StdioServer {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) folder: Option<String>,
    /// Files that must have these bytes when it starts.
    pub(crate) files: BTreeMap<String, Digest>,
}

impl StdioServer {
    pub(super) fn checked(command: String, args: Vec<String>) -> Result<Self, ConfigError> {
        check_command(&command)?;
        let program = program_name(&command);
        check_program(&command, &program, &args)?;
        if let Some(arg) = args.iter().find(|arg| arg.chars().any(char::is_control)) {
            let rule = format!(
                "argument `{}` holds a control character",
                super::error::shown(arg)
            );
            return Err(ConfigError::command(&command, rule));
        }
        Ok(Self {
            command,
            args,
            env: BTreeMap::new(),
            folder: None,
            files: BTreeMap::new(),
        })
    }

    pub(super) fn set_env(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let starts_well = !name.starts_with(|c: char| c.is_ascii_digit());
        if name.is_empty() || !name.bytes().all(is_name) || !starts_well {
            return Err(ConfigError::environment(name, "it is no name"));
        }
        if is_reserved_env(name) && name != "HOME" {
            return Err(ConfigError::environment(name, "it steers programs"));
        }
        if value.contains('\0') {
            return Err(ConfigError::environment(name, "its value holds a NUL"));
        }
        self.env.insert(name.to_owned(), value.to_owned());
        Ok(())
    }
}

fn check_command(command: &str) -> Result<(), ConfigError> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || ";|&<>`\"'*?()[]!#\\".contains(c);
    if command.is_empty() || command.starts_with('-') || command.chars().any(odd) {
        let rule = "expected one word, the program alone: arguments stand on their own, and no shell reads them";
        return Err(ConfigError::command(command, rule));
    }
    if command.split('/').any(|part| part == "..") {
        return Err(ConfigError::command(command, "it leaves its folder"));
    }
    if names_in(command).iter().any(|name| *name != "PLUGIN_ROOT")
        || command.contains('$') && !command.starts_with("${PLUGIN_ROOT}/")
    {
        return Err(ConfigError::command(
            command,
            "only `${PLUGIN_ROOT}/` can stand in front",
        ));
    }
    Ok(())
}

fn check_program(command: &str, program: &str, args: &[String]) -> Result<(), ConfigError> {
    if WRAPPERS.contains(&program) {
        let rule = format!("`{program}` runs what its arguments say: name that program itself");
        return Err(ConfigError::command(command, rule));
    }
    if SHELLS.contains(&program) {
        return check_shell(command, args);
    }
    let taken = INLINE_CODE.iter().find(|(name, _)| *name == program);
    let flags = taken.map_or(&[][..], |(_, flags)| flags);
    let is_python = program.starts_with("python") || program.starts_with("pypy");
    // What follows the script or the package is the script's own.
    for arg in args
        .iter()
        .take_while(|arg| arg.starts_with('-') || program == "deno")
    {
        let inline = flags.iter().any(|flag| is_flag(arg, flag))
            || is_python && is_short_with(arg, 'c')
            || matches!(program, "perl" | "ruby") && is_short_with(arg, 'e')
            || arg.contains("data:");
        if inline {
            let rule = format!(
                "`{}` gives the interpreter code of its own",
                super::error::shown(arg)
            );
            return Err(ConfigError::command(command, rule));
        }
    }
    let reads_stdin =
        is_python || matches!(program, "node" | "nodejs" | "perl" | "ruby" | "php" | "lua");
    if reads_stdin && args.is_empty() {
        let rule = "an interpreter without a script reads code from its input";
        return Err(ConfigError::command(command, rule));
    }
    Ok(())
}

fn check_shell(command: &str, args: &[String]) -> Result<(), ConfigError> {
    let is_script = |arg: &String| {
        !arg.starts_with('-') && !arg.starts_with('/') || arg.starts_with('/') && arg.contains('.')
    };
    match args.first() {
        Some(first) if is_script(first) => Ok(()),
        _ => Err(ConfigError::command(
            command,
            "a shell is started only with a script file as its first argument",
        )),
    }
}

fn is_flag(arg: &str, flag: &str) -> bool {
    let valued = arg
        .strip_prefix(flag)
        .is_some_and(|rest| rest.starts_with('='));
    // `-e'code'` is one word to an interpreter.
    let joined = flag.len() == 2 && arg.starts_with(flag);
    arg == flag || valued || joined
}

/// Tells whether a cluster of short flags, such as `-Sc`, holds one.
fn is_short_with(arg: &str, flag: char) -> bool {
    let cluster = arg.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
    cluster.is_some_and(|rest| {
        rest.chars()
            .take_while(char::is_ascii_alphabetic)
            .any(|c| c == flag)
    })
}

/// Returns the bare name of a program, in lower case and without `.exe` and a version: what it is,
/// whatever path it is called by.
pub(super) fn program_name(command: &str) -> String {
    let name = command
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let name = name
        .strip_suffix(".exe")
        .or_else(|| name.strip_suffix(".cmd"))
        .unwrap_or(&name);
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    match bare.is_empty() {
        true => name.to_owned(),
        false => bare.to_owned(),
    }
}

/// Returns the secret's name where a placeholder stands for one.
pub(super) fn is_secret_place(name: &str) -> Option<&str> {
    name.strip_prefix("secret:")
}
