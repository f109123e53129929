//! Interpreters: which are taken, where they lie, and what must not be said to them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{ELF, ProgramError};

/// Where an interpreter is looked for, in order. The host's own `PATH` plays no part.
const SEARCHED: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Words that run any text as a command, or any other program.
const REFUSED: [&str; 14] = [
    "ash", "bash", "busybox", "csh", "dash", "doas", "env", "fish", "ksh", "nice", "sh", "sudo",
    "xargs", "zsh",
];

/// Where interpreters are, beside the fixed search path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interpreters(BTreeMap<String, PathBuf>);

/// An interpreter that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// What the host itself tells it.
    pub(crate) options: Vec<&'static str>,
    /// What must be readable for it to run.
    pub(crate) reads: Vec<PathBuf>,
}

impl Interpreters {
    pub(crate) fn new(named: BTreeMap<String, PathBuf>) -> Self {
        Self(named)
    }

    /// Finds the native program of a word.
    pub(crate) fn resolve(&self, word: &str) -> Result<Found, ProgramError> {
        check_word(word)?;
        let named = self.0.get(word).cloned();
        let searched = SEARCHED.iter().map(|folder| Path::new(folder).join(word));
        let path = named
            .into_iter()
            .chain(searched)
            .find_map(|path| native(&path));
        let path = path.ok_or_else(|| ProgramError::NoInterpreter {
            word: word.to_owned(),
            searched: SEARCHED.iter().map(ToString::to_string).collect(),
        })?;
        Ok(Found {
            options: options_of(word),
            reads: reads_of(&path),
            path,
        })
    }
}

/// Python would write compiled files beside the sources, and read from the user's own folders.
fn options_of(word: &str) -> Vec<&'static str> {
    match word.starts_with("python") {
        true => vec!["-B", "-s", "-E"],
        false => Vec::new(),
    }
}

/// The interpreter's prefix (`/opt/py` of `/opt/py/bin/python3`), where it is a folder of its own.
fn reads_of(path: &Path) -> Vec<PathBuf> {
    let prefix = path.parent().and_then(Path::parent);
    let is_own = |prefix: &&Path| prefix.components().count() > 1 && !prefix.starts_with("/usr");
    prefix
        .filter(is_own)
        .map(Path::to_owned)
        .into_iter()
        .collect()
}

/// Follows links to a native program. Shims of version managers are scripts and are passed over:
/// they would read the user's own folders.
fn native(path: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(path).ok()?;
    let mut first = [0; ELF.len()];
    File::open(&path).ok()?.read_exact(&mut first).ok()?;
    (first == ELF).then_some(path)
}

fn check_word(word: &str) -> Result<(), ProgramError> {
    let is_plain = !word.is_empty() && !word.contains('/') && !word.starts_with('-');
    match is_plain && !REFUSED.contains(&word) {
        true => Ok(()),
        false => Err(ProgramError::Interpreter {
            word: word.to_owned(),
        }),
    }
}

/// Reads the interpreter's word out of a script's first line; `env` stands for the word after it.
pub(super) fn of_first_line(bytes: &[u8], file: &str) -> Result<String, ProgramError> {
    let not_runnable = || ProgramError::NotRunnable {
        file: file.to_owned(),
    };
    let line = bytes.strip_prefix(b"#!").ok_or_else(not_runnable)?;
    let end = line
        .iter()
        .position(|b| *b == b'\n')
        .ok_or_else(not_runnable)?;
    let line = std::str::from_utf8(&line[..end]).map_err(|_| not_runnable())?;
    let mut words = line.split_whitespace();
    let last_part = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut word = words.next().map(last_part).ok_or_else(not_runnable)?;
    if word == "env" {
        word = words.next().map(str::to_owned).ok_or_else(not_runnable)?;
    }
    // Options there would be said to the interpreter without having been looked at.
    match words.next() {
        None => check_word(&word).map(|()| word),
        Some(more) => Err(ProgramError::InlineCode {
            word,
            argument: more.to_owned(),
        }),
    }
}

/// Returns the argument that names the script; what comes before it must not be code.
pub(super) fn script_of<'a>(word: &str, args: &'a [String]) -> Result<&'a str, ProgramError> {
    check_word(word)?;
    let script = args.iter().position(|arg| !arg.starts_with('-'));
    let options = &args[..script.unwrap_or(args.len())];
    if let Some(argument) = options.iter().find(|option| takes_code(option)) {
        return Err(ProgramError::InlineCode {
            word: word.to_owned(),
            argument: argument.clone(),
        });
    }
    script
        .map(|at| args[at].as_str())
        .ok_or_else(|| ProgramError::NotInPackage {
            file: "no script among the arguments".to_owned(),
        })
}

/// Options of Python, Node, Perl, Ruby and others that take code, or a module from anywhere.
fn takes_code(option: &str) -> bool {
    const LONG: [&str; 6] = ["eval", "exec", "import", "loader", "print", "require"];
    match (option.strip_prefix("--"), option.strip_prefix('-')) {
        (Some(long), _) => {
            let name = long.split('=').next().unwrap_or_default();
            let name = name.strip_prefix("experimental-").unwrap_or(name);
            LONG.contains(&name)
        }
        // Short options can be joined: `-Bc`. A lone `-` is standard input.
        (None, Some(short)) => short.is_empty() || short.contains(['c', 'e', 'm', 'p', 'r', 'X']),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[track_caller]
    fn check_script(word: &str, args: &str, expected: Result<&str, &str>) {
        let args = words(args);
        let found = script_of(word, &args);
        assert_eq!(
            found.as_ref().map_err(|e| e.code()).copied(),
            expected,
            "{word} {args:?}"
        );
    }

    #[test]
    fn s_d7_code_in_arguments_is_refused() {
        for args in [
            "-c print(1)",
            "-Bc x",
            "-e 1",
            "--eval 1",
            "--eval=1 main.js",
            "-p 1",
            "--print=1 a.js",
            "-m http.server",
            "-",
            "-r ./x main.js",
            "--require=./x main.js",
            "--import ./x main.js",
        ] {
            check_script("python3", args, Err("PROGRAM_INLINE_CODE"));
        }
        for word in [
            "sh",
            "bash",
            "env",
            "/usr/bin/python3",
            "-x",
            "",
            "busybox",
            "sudo",
        ] {
            check_script(word, "main.py", Err("PROGRAM_INTERPRETER"));
        }
        check_script("python3", "-B", Err("PROGRAM_NOT_IN_PACKAGE"));
        // Control: the same arguments without the code are fine.
        check_script("python3", "-B -u main.py -c x", Ok("main.py"));
        check_script(
            "node",
            "--max-old-space-size=64 main.js --eval",
            Ok("main.js"),
        );
    }

    #[track_caller]
    fn check_line(line: &str, expected: Result<&str, &str>) {
        let found = of_first_line(line.as_bytes(), "run");
        let found = found.as_deref().map_err(ProgramError::code);
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn first_lines_name_an_interpreter_and_nothing_else() {
        check_line("#!/usr/bin/env python3\n", Ok("python3"));
        check_line("#!/usr/bin/python3\nprint()", Ok("python3"));
        check_line("#! /opt/anything/node \n", Ok("node"));
        check_line("#!/bin/sh\n", Err("PROGRAM_INTERPRETER"));
        check_line("#!/usr/bin/env bash\n", Err("PROGRAM_INTERPRETER"));
        check_line("#!/usr/bin/env -S python3 -c\n", Err("PROGRAM_INLINE_CODE"));
        check_line("#!/usr/bin/python3 -c\n", Err("PROGRAM_INLINE_CODE"));
        check_line("#!/usr/bin/python3", Err("PROGRAM_NOT_RUNNABLE"));
        check_line("print()\n", Err("PROGRAM_NOT_RUNNABLE"));
    }

    #[test]
    fn shims_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let shim = folder.path().join("python3");
        std::io::Write::write_all(&mut File::create(&shim).unwrap(), b"#!/bin/sh\n").unwrap();
        assert_eq!(native(&shim), None);
        let link = folder.path().join("true");
        std::os::unix::fs::symlink("/bin/true", &link).unwrap();
        assert_eq!(native(&link), fs::canonicalize("/bin/true").ok());
    }
}
