//! Counts what one governed call costs its caller in instructions, with callgrind (valgrind).
//!
//! `cargo run --release -p keyway-host --example call_cost`
//!
//! Instructions do not depend on what else the machine does, so two versions can be compared. They
//! say nothing of what waits on memory or on other threads; the bench `call` does.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program owns its terminal"
)]

#[path = "../benches/sums/mod.rs"]
mod sums;

use std::error::Error;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};

use keyway_host::Host;
use keyway_host::approval::ApproveAll;
use keyway_host::audit::{AuditError, AuditEvent, AuditHealth, AuditSink, Head};
use keyway_host::digest::Digest;
use serde_json::value::to_raw_value;

use sums::{ORDER, Order, PAIR, Pair, Sum, Sums};

/// What is counted: the tool, its arguments, whether the work is done by hand.
const ROWS: [(&str, &str, bool); 6] = [
    ("sums/add", PAIR, true),
    ("sums/add", PAIR, false),
    ("sums/add_untyped", PAIR, false),
    ("sums/book", ORDER, true),
    ("sums/book", ORDER, false),
    ("sums/book_untyped", ORDER, false),
];
const CALLS: u64 = 1000;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [row, calls] => repeat(row, calls),
        _ => count_all(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("call_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts every row: the difference between many calls and twice as many is free of the start.
fn count_all() -> Result<(), Box<dyn Error>> {
    for (row, (tool, _, by_hand)) in ROWS.iter().enumerate() {
        let each = (counted(row, 2 * CALLS)? - counted(row, CALLS)?) / CALLS;
        let how = if *by_hand { "by hand" } else { "governed" };
        println!("{tool:18} {how}  {each:6} instructions");
    }
    Ok(())
}

fn counted(row: usize, calls: u64) -> Result<u64, Box<dyn Error>> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(std::env::current_exe()?);
    let output = valgrind
        .args([row.to_string(), calls.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, number) = collected.ok_or_else(|| format!("valgrind says: {said}"))?;
    Ok(number.trim().parse()?)
}

/// Makes the calls of one row.
fn repeat(row: &str, calls: &str) -> Result<(), Box<dyn Error>> {
    let (tool, arguments, by_hand) = ROWS.get(row.parse::<usize>()?).ok_or("no such row")?;
    let calls: u64 = calls.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let host = Host::builder("cost", "0")
        .approver(ApproveAll)
        .audit(HandedOver::default())
        .plugin(Sums)
        .build()?;
    runtime.block_on(host.start());
    let view = host.view("acme/team/agent".parse()?);
    runtime.block_on(async {
        for _ in 0..calls {
            match by_hand {
                true => drop(by_hand_of(black_box(arguments))?),
                false => drop(view.call(tool, black_box(*arguments)).await?),
            }
        }
        Ok(())
    })
}

fn by_hand_of(arguments: &str) -> Result<Box<serde_json::value::RawValue>, serde_json::Error> {
    let sum = match arguments.len() == PAIR.len() {
        true => serde_json::from_str(arguments).map(|pair: Pair| pair.a + pair.b)?,
        false => serde_json::from_str(arguments).map(|order: Order| order.weight())?,
    };
    to_raw_value(&Sum { sum })
}

/// Takes events as a queue does, without the thread that writes them.
#[derive(Default)]
struct HandedOver(Mutex<Vec<(i64, AuditEvent)>>);

impl AuditSink for HandedOver {
    fn record(&self, event: AuditEvent) {
        self.record_at(0, event);
    }
    fn record_at(&self, unix_ms: i64, event: AuditEvent) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == 64 {
            events.clear();
        }
        events.push((unix_ms, event));
    }
    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError> {
        drop(event);
        Ok(Head::new(0, Digest::of(b"")))
    }
    fn health(&self) -> AuditHealth {
        AuditHealth::Healthy
    }
}
