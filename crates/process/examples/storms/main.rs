//! What plugins as processes cost, and what storms over them leave behind, beside the goals.
//!
//! ```text
//! cargo run --release -p keyway-process --example storms -- [--seconds N] [--plugins N] [--only L5,L6] [--json]
//! ```
//!
//! Each part lasts so many seconds, 20 unless told otherwise; the kills go over so many plugins, 10
//! unless told otherwise. Prints a table of goals, and whether each is met; ends with 1 when something
//! that must hold did not: a call that hung, a process, thread or descriptor left over, a call lost by
//! a reload. A goal that is missed on a busy machine is no such thing. Linux only: it reads `/proc`.

mod calls;
mod catalog;
mod kill;
mod load;
mod proc;
mod reload;
mod report;
mod revoke;
mod site;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use report::Report;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What was asked for.
struct Options {
    time: Duration,
    plugins: usize,
    only: Option<Vec<String>>,
    as_json: bool,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut options = Self {
            time: Duration::from_secs(20),
            plugins: 10,
            only: None,
            as_json: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = || format!("{argument} wants a value");
                arguments.next().ok_or_else(missing)
            };
            match argument.as_str() {
                "--json" => options.as_json = true,
                "--only" => options.only = Some(value()?.split(',').map(str::to_owned).collect()),
                "--plugins" => options.plugins = value()?.parse()?,
                "--seconds" => options.time = Duration::from_secs(value()?.parse()?),
                _ => return Err(format!("there is no option {argument}").into()),
            }
        }
        match options.plugins == 0 || options.time.is_zero() {
            true => Err("no plugins or no time: nothing to measure".into()),
            false => Ok(options),
        }
    }

    fn wants(&self, goal: &str) -> bool {
        let named = self.only.as_ref();
        named.is_none_or(|only| only.iter().any(|name| name == goal))
    }
}

fn main() -> ExitCode {
    if std::env::var_os("KEYWAY_CHANNEL").is_some() {
        return keyway_serve::run(calls::Greeter);
    }
    if let Some(folder) = catalog::measured_start() {
        return ended(catalog::start_and_tell(&folder).map(|()| true));
    }
    ended(measure())
}

/// Measures and shows; tells whether everything held that must.
fn measure() -> Outcome<bool> {
    let options = Options::read(std::env::args().skip(1))?;
    site::build_stress()?;
    let report = runtime()?.block_on(run(&options))?;
    show(&match options.as_json {
        true => report.to_json(),
        false => report.to_table(),
    });
    Ok(report.broken.is_empty())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Threads that wait for more work would look like threads left over.
        .thread_keep_alive(Duration::from_millis(50))
        .enable_all()
        .build()
}

async fn run(options: &Options) -> Outcome<Report> {
    let (mut report, time) = (Report::default(), options.time);
    if options.wants("L1") {
        catalog::changes(time, &mut report)?;
    }
    if options.wants("L2") {
        catalog::starts(&mut report).await?;
    }
    if options.wants("L3") {
        calls::spawns(time, &mut report).await?;
    }
    if options.wants("L4") {
        calls::in_process(time, &mut report).await?;
        calls::echoes(time, &mut report).await?;
    }
    if options.wants("L5") {
        kill::storm(time, options.plugins, &mut report).await?;
    }
    if options.wants("L6") {
        reload::storm(time, &mut report).await?;
    }
    if options.wants("L10") {
        revoke::busy(time, &mut report).await?;
    }
    Ok(report)
}

fn ended(outcome: Outcome<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error.to_string()),
    }
}

#[expect(clippy::print_stdout, reason = "a report is what it is run for")]
fn show(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "somebody waits for the reason")]
fn fail(problem: &str) -> ExitCode {
    eprintln!("storms: {problem}");
    ExitCode::from(2)
}
