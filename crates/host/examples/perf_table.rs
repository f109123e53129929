//! Writes `docs/performance.md` from what criterion measured.
//!
//! `cargo run --release -p keyway-host --example perf_table -- --bench` measures everything and
//! writes the table; without `--bench` it writes down what was measured before.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program owns its terminal"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use serde_json::Value;

/// A confidence interval wider than this part of the median marks a row as noisy.
const NOISY: f64 = 0.1;
const LIMIT: &str = "limit: ";

fn main() -> ExitCode {
    match run(std::env::args().any(|argument| argument == "--bench")) {
        Ok(path) => {
            println!("wrote {}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("perf_table: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: bool) -> Result<PathBuf, Box<dyn Error>> {
    let before = load();
    let since = if bench { Some(measure()?) } else { None };
    let mut rows = Vec::new();
    collect(&target()?.join("criterion"), since, &mut rows)?;
    if rows.is_empty() {
        return Err("nothing was measured; run with `-- --bench`".into());
    }
    let load = since.map(|_| format!("{before} before and {} after", load()));
    let path = root().join("docs/performance.md");
    write(&path, &document(rows, load))?;
    Ok(path)
}

/// Runs every benchmark of the workspace; returns a moment before the first.
fn measure() -> Result<SystemTime, Box<dyn Error>> {
    // The file system's clock, because its times are what the rows are compared with.
    let mark = target()?.join("perf_table.mark");
    write(&mark, "")?;
    let since = fs::metadata(&mark)?.modified()?;
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    let status = cargo.args(["bench", "--workspace", "--bench", "*"]);
    if !status.current_dir(root()).status()?.success() {
        return Err("a benchmark failed".into());
    }
    Ok(since)
}

/// One measured function.
struct Row {
    group: String,
    function: String,
    parameter: Option<String>,
    median: f64,
    low: f64,
    high: f64,
}

impl Row {
    fn read(folder: &Path) -> Option<Self> {
        let json = |name| -> Option<Value> {
            serde_json::from_str(&fs::read_to_string(folder.join(name)).ok()?).ok()
        };
        let (id, estimates) = (json("benchmark.json")?, json("estimates.json")?);
        let median = &estimates["median"];
        let interval = &median["confidence_interval"];
        Some(Self {
            group: id["group_id"].as_str()?.to_owned(),
            function: id["function_id"].as_str()?.to_owned(),
            parameter: id["value_str"].as_str().map(str::to_owned),
            median: median["point_estimate"].as_f64()?,
            low: interval["lower_bound"].as_f64()?,
            high: interval["upper_bound"].as_f64()?,
        })
    }

    fn is_limit(&self) -> bool {
        self.function.starts_with(LIMIT)
    }

    fn is_noisy(&self) -> bool {
        self.high - self.low > self.median * NOISY
    }
}

/// Finds what was measured, below a folder; leaves out what is older than `since`.
fn collect(
    folder: &Path,
    since: Option<SystemTime>,
    rows: &mut Vec<Row>,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.file_name().is_some_and(|name| name == "new") {
            let measured = fs::metadata(path.join("estimates.json"))?.modified()?;
            if since.is_none_or(|since| measured >= since) {
                rows.extend(Row::read(&path));
            }
        } else {
            collect(&path, since, rows)?;
        }
    }
    Ok(())
}

fn document(rows: Vec<Row>, load: Option<String>) -> String {
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(row.group.clone()).or_default().push(row);
    }
    let load =
        load.unwrap_or_else(|| "not known, and groups may come from several runs".to_owned());
    let mut out = HEADER
        .replace("{machine}", &machine())
        .replace("{load}", &load);
    for (name, mut rows) in groups {
        let order = |row: &Row| (row.parameter.clone(), !row.is_limit(), row.function.clone());
        rows.sort_by_key(order);
        out.push_str(&table(&name, &rows));
    }
    out
}

fn table(group: &str, rows: &[Row]) -> String {
    let mut out = format!("\n## {group}\n\n| what | median | 95 % interval | to its limit |\n");
    out.push_str("|---|---:|---:|---:|\n");
    for row in rows {
        let mut name = row.function.clone();
        if let Some(parameter) = &row.parameter {
            let _ = write!(name, ", {parameter}");
        }
        let noisy = if row.is_noisy() { " ~" } else { "" };
        let (low, high) = (time(row.low), time(row.high));
        let median = time(row.median);
        let ratio = ratio(row, rows);
        let _ = writeln!(
            out,
            "| {name} | {median}{noisy} | {low} – {high} | {ratio} |"
        );
    }
    out
}

/// Compares a row with the most expensive limit measured for the same thing.
fn ratio(row: &Row, rows: &[Row]) -> String {
    let limits = rows.iter().filter(|limit| limit.is_limit());
    let same = limits.clone().filter(|l| l.parameter == row.parameter);
    let general = limits.filter(|l| l.parameter.is_none());
    let most = |a: &&Row, b: &&Row| a.median.total_cmp(&b.median);
    let limit = same.max_by(most).or_else(|| general.max_by(most));
    match limit {
        Some(limit) if !row.is_limit() => format!("{:.2} ×", row.median / limit.median),
        _ => String::new(),
    }
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.2} µs", n / 1e3),
        n => format!("{:.2} ms", n / 1e6),
    }
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |m| {
        m.trim_start_matches(['\t', ' ', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (system, rustc) = (said("uname", "-sr"), said("rustc", "--version"));
    format!("{model}, {cores} cores, {system}, {rustc}")
}

fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map_or_else(|_| "unknown".into(), |o| o.stdout);
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// The load average over one minute.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// This program is `target/<profile>/examples/perf_table`.
fn target() -> Result<PathBuf, Box<dyn Error>> {
    let itself = std::env::current_exe()?;
    let target = itself.ancestors().nth(3).ok_or("not in a target folder")?;
    Ok(target.to_path_buf())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a generated page need not survive a power cut"
)]
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)
}

const HEADER: &str = "\
# Performance

Generated; do not edit. Measure and write this page again with

```sh
cargo run --release -p keyway-host --example perf_table -- --bench
```

Machine: {machine}. Load average: {load}; on a machine that does nothing else it begins near 0.

How to read it: times drift with the machine and with what else it does, so compare rows of one
group only. A row named `limit: …` is the least that the work around it can cost, measured with it; `to its limit` divides by the most expensive of them. `~` marks a row whose interval is
wider than a tenth of its median: take its size, not its digits. What a group does and does not
measure is said where it is measured, in `benches/`.
";
