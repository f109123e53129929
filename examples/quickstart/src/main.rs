//! A small agent runtime built on `keyway-host`, at work on this repository.
//!
//! `tour` is the story in order; `agent` is the loop to copy; `platform` builds the host;
//! `plugins` are what it is about; `model` is what thinks.

mod agent;
mod model;
mod operator;
mod options;
mod platform;
mod plugins;
mod screen;
mod script;
mod show;
mod state_folder;
mod stop;
mod tour;

use std::io::Write;
use std::process::ExitCode;

use model::{Endpoint, Model, OpenAiModel, ScriptedModel};
use operator::Operator;
use options::{Command, Options};
use screen::Screen;
use stop::Stop;
use tour::Tour;

fn main() -> ExitCode {
    let command = match options::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(problem) => return failed(&problem, 2),
    };
    let done = match command {
        Command::Help => say(&mut std::io::stdout(), options::HELP),
        Command::Run(options) => run(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => failed(&stop.to_string(), 1),
    }
}

fn run(options: Options) -> Result<(), Stop> {
    let variable = |name: &str| std::env::var(name).ok();
    let model: Box<dyn Model> = match Endpoint::from_env(variable)? {
        Some(endpoint) => Box::new(OpenAiModel::new(endpoint)),
        None => Box::new(ScriptedModel::new(script::SCRIPT)),
    };
    let task = variable("QUICKSTART_TASK").filter(|task| !task.trim().is_empty());
    let operator = if options.ask {
        Operator::Terminal
    } else {
        Operator::Rule
    };
    let tour = Tour {
        options,
        operator,
        model,
        task: task.unwrap_or_else(|| script::TASK.to_owned()),
        screen: Screen::stdout(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|e| Stop::bug(&e))?.block_on(tour.run())
}

fn say(out: &mut impl Write, text: &str) -> Result<(), Stop> {
    // Whoever closed the pipe has seen enough.
    let _pipe_closed = writeln!(out, "{text}");
    Ok(())
}

fn failed(problem: &str, code: u8) -> ExitCode {
    let _pipe_closed = writeln!(std::io::stderr(), "quickstart: {problem}");
    ExitCode::from(code)
}
