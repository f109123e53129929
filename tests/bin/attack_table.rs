//! Runs every test of an attack or fault and writes the table of docs/security.md from what it saw.
//!
//! `cargo run -p keyway-tests --bin attack-table` runs the tests itself; with the name of a file it
//! reads what `cargo test` printed there instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use keyway_sandbox::Jail;

/// Where the table stands.
const DOCUMENT: &str = "docs/security.md";
const BEGIN: &str = "<!-- attacks: written by `cargo run -p keyway-tests --bin attack-table` -->";
const END: &str = "<!-- end of attacks -->";

/// The packages whose tests attack something.
const PACKAGES: [&str; 6] = [
    "keyway-tests",
    "keyway-channel",
    "keyway-sandbox",
    "keyway-serve",
    "keyway-process",
    "keyway-mcp",
];

/// Packages whose attacks come from inside a confined process.
const CONFINED: [&str; 2] = ["keyway-sandbox", "keyway-process"];

/// Every case: its id, the attack or fault, and what happens.
const CASES: &str = include_str!("attacks.txt");

/// What was seen of one case.
#[derive(Default)]
struct Seen {
    passed: usize,
    failed: usize,
    has_control: bool,
    packages: BTreeSet<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "attack-table: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let printed = match std::env::args().nth(1) {
        Some(file) => fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?,
        None => test()?,
    };
    let seen = read(&printed);
    let table = table(&seen)?;
    let path = root().join(DOCUMENT);
    let text = fs::read_to_string(&path).map_err(|e| e.to_string())?;
    let text = replaced(&text, &table).ok_or("the document has no place for the table")?;
    let mut file = fs::File::create(&path).map_err(|e| e.to_string())?;
    file.write_all(text.as_bytes()).map_err(|e| e.to_string())?;
    Ok(seen.values().all(|case| case.failed == 0))
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Runs the tests; what they print is shown while they run.
fn test() -> Result<String, String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(root())
        .arg("test")
        .arg("--no-fail-fast");
    for package in PACKAGES {
        command.args(["-p", package]);
    }
    command.args(["--", "s_", "control", "l06", "l11", "l12", "l14"]);
    command.stderr(Stdio::piped()).stdout(Stdio::piped());
    let output = command.output().map_err(|e| e.to_string())?;
    // Which binary runs is said on one stream and what its tests do on the other, in one order.
    let running = String::from_utf8_lossy(&output.stderr).into_owned();
    let results = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(joined(&running, &results))
}

/// Puts the line that names a binary in front of what its tests printed.
fn joined(running: &str, results: &str) -> String {
    let is_binary = |line: &&str| line.trim_start().starts_with("Running ");
    let doc_tests = |line: &&str| line.trim_start().starts_with("Doc-tests ");
    let mut names = running.lines().filter(|l| is_binary(l) || doc_tests(l));
    let mut text = String::new();
    for line in results.lines() {
        if line.starts_with("running ") {
            text.extend([names.next().unwrap_or_default(), "\n"]);
        }
        text.extend([line, "\n"]);
    }
    text
}

/// Reads which tests ran, and how they ended, case by case.
fn read(printed: &str) -> BTreeMap<String, Seen> {
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut package = String::new();
    for line in printed.lines() {
        if let Some(name) = binary(line) {
            package = name;
        }
        let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|l| l.split_once(" ... "))
        else {
            continue;
        };
        for case in cases_of(name) {
            let case = seen.entry(case).or_default();
            match result.trim() {
                "ok" => case.passed += 1,
                _ => case.failed += 1,
            }
            case.has_control |= name.contains("control");
            case.packages.insert(package.clone());
        }
    }
    seen
}

/// Reads the package out of the line that names a test binary.
fn binary(line: &str) -> Option<String> {
    let path = line.trim_start().strip_prefix("Running ")?;
    let file = path.rsplit_once('/')?.1.trim_end_matches(')');
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
    Some(match name {
        "all" => "keyway-tests".to_owned(),
        other if other.starts_with("keyway") => other.replace('_', "-"),
        other => format!("keyway-{}", other.replace('_', "-")),
    })
}

/// Reads the cases out of a test's name: `s_c3_…`, or several of them.
fn cases_of(name: &str) -> Vec<String> {
    let test = name.rsplit("::").next().unwrap_or(name);
    let parts: Vec<_> = test.split('_').collect();
    let marked = parts.windows(2).filter(|pair| pair[0] == "s");
    let is_case = |case: &&str| {
        let mut chars = case.chars();
        chars.next().is_some_and(|c| c.is_ascii_lowercase())
            && case.len() > 1
            && chars.all(|c| c.is_ascii_digit())
    };
    let cases = marked.map(|pair| pair[1]).filter(is_case);
    cases.map(str::to_uppercase).collect()
}

fn table(seen: &BTreeMap<String, Seen>) -> Result<String, String> {
    let level = Jail::new().expected();
    let mut text = format!(
        "Level of a confined process on the machine that wrote this: `{}`. What was missing there: {}.\n\n",
        level.level(),
        match level.missing() {
            [] => "nothing".to_owned(),
            missing => missing
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        }
    );
    text.push_str(
        "| case | attack or fault | what happens | level | tests | control | tests in |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|\n");
    for line in CASES.lines().filter(|line| !line.is_empty()) {
        let [case, attack, happens] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("not a case: {line}"));
        };
        let Some(found) = seen.get(case) else {
            return Err(format!("no test of {case} ran"));
        };
        text.push_str(&row(
            case,
            attack,
            happens,
            found,
            &level.level().to_string(),
        ));
    }
    Ok(text)
}

fn row(case: &str, attack: &str, happens: &str, found: &Seen, level: &str) -> String {
    let confined = found
        .packages
        .iter()
        .any(|p| CONFINED.contains(&p.as_str()));
    let tests = match found.failed {
        0 => format!("{} pass", found.passed),
        failed => format!("**{failed} fail**, {} pass", found.passed),
    };
    let packages: Vec<_> = found.packages.iter().map(|p| format!("`{p}`")).collect();
    format!(
        "| {case} | {attack} | {happens} | {} | {tests} | {} | {} |\n",
        if confined { level } else { "any" },
        if found.has_control {
            "yes"
        } else {
            "in the test"
        },
        packages.join(", "),
    )
}

/// Puts the table between its marks.
fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}
