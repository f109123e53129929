//! The commands of plugin authors: `keyway new` and `keyway check`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::args::{CheckArgs, NewArgs};
use crate::author::check::check;
use crate::author::new::{ApiSource, scaffold};
use crate::failure::Failure;
use crate::output;

pub(super) fn new(args: NewArgs, as_json: bool) -> Result<ExitCode, Failure> {
    let dir = args.dir.unwrap_or_else(|| PathBuf::from(&args.name));
    let source = args
        .keyway_path
        .map_or(ApiSource::Registry, ApiSource::Checkout);
    let files = scaffold(&args.name, &dir, &source)?;
    if as_json {
        output::json(&json!({ "success": true, "folder": dir, "files": files }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = output::shown(&dir.to_string_lossy());
    output::line(format_args!("Created {} in {folder}:", args.name));
    for file in files {
        output::line(format_args!("  {}", file.display()));
    }
    output::help(format_args!("to test it: cd {folder} && cargo test"));
    output::help(format_args!("to check it: keyway check {folder}"));
    Ok(ExitCode::SUCCESS)
}

/// Prints what is wrong with a package: that is the command's result, so it goes to standard
/// output; the exit code tells.
pub(super) fn check_package(args: &CheckArgs, as_json: bool) -> Result<ExitCode, Failure> {
    let report = check(&args.path);
    if as_json {
        output::json(&report)?;
    } else {
        report
            .to_string()
            .lines()
            .map(output::shown)
            .for_each(output::line);
    }
    match report.success {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}
