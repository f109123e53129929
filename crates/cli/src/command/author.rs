//! The commands of plugin authors: `keyway new` and `keyway check`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::args::{CheckArgs, NewArgs};
use crate::author::check::check;
use crate::author::kit::Kit;
use crate::author::new::scaffold;
use crate::author::source::ApiSource;
use crate::failure::Failure;
use crate::output;

pub(super) fn new(args: NewArgs, as_json: bool) -> Result<ExitCode, Failure> {
    let dir = args.dir.unwrap_or_else(|| PathBuf::from(&args.name));
    let source = args
        .keyway_path
        .map_or(ApiSource::Registry, ApiSource::Checkout);
    let kit = Kit::parse(args.language, args.runtime)?;
    let files = scaffold(&args.name, &dir, kit, &source)?;
    if as_json {
        output::json(&json!({ "success": true, "folder": dir, "files": files }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = output::shown(&dir.to_string_lossy());
    output::line(format_args!("Created {} in {folder}:", args.name));
    for file in files {
        output::line(format_args!("  {}", file.display()));
    }
    kit.next_steps(&folder.to_string())
        .into_iter()
        .for_each(output::help);
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
