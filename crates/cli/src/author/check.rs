//! Looks at a plugin package as strictly as its author should.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use keyway_host::limits::Limits;
use keyway_host::schema::Validator;
use keyway_plugin_api::{
    Manifest, Problem, RuntimeKind, RuntimeSpec, check_api, plugin_api_version,
};
use serde::Serialize;

use crate::lookup::package_in;

/// The manifest's name inside a package.
const MANIFEST: &str = "plugin.json";

/// A check report is what can be said about a package without running any of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckReport {
    /// Whether there is no problem.
    pub(crate) success: bool,
    /// The manifest that was read.
    pub(crate) manifest: PathBuf,
    /// The package, when its manifest could be read.
    #[serde(flatten)]
    pub(crate) package: Option<PackageSummary>,
    /// Everything that is wrong, in a stable order.
    pub(crate) problems: Vec<Problem>,
    /// What is only missing so far.
    pub(crate) notices: Vec<Problem>,
}

/// What an operator would see of the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageSummary {
    /// The plugin's id.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its risk.
    pub(crate) risk: String,
    /// What it asks for, as tags.
    pub(crate) capabilities: Vec<String>,
    /// The names of its tools.
    pub(crate) tools: Vec<String>,
}

/// Checks a package, or the `plugin.json` in it. What cannot be read is a problem like any other.
pub(crate) fn check(path: &Path) -> CheckReport {
    let file = match path.is_dir() {
        true => package_in(path).join(MANIFEST),
        false => path.to_owned(),
    };
    let mut report = CheckReport {
        success: false,
        manifest: file,
        package: None,
        problems: Vec::new(),
        notices: Vec::new(),
    };
    match read_manifest(&report.manifest) {
        Ok(manifest) => {
            let folder = report.manifest.parent().unwrap_or(path);
            report.problems = against_this_host(&manifest);
            match manifest.runtime().map(|runtime| program(runtime, folder)) {
                Some(Err(problem)) => report.problems.push(problem),
                Some(Ok(notice)) => report.notices.extend(notice),
                None => (),
            }
            report.package = Some(summary(&manifest));
        }
        Err(problems) => report.problems = problems,
    }
    report.success = report.problems.is_empty();
    report
}

/// Writes one line for the package and one for each problem.
impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifest = self.manifest.display();
        match (&self.package, self.problems.len()) {
            (Some(package), 0) => write!(f, "{package}")?,
            (_, 1) => write!(f, "{manifest}: 1 problem")?,
            (_, count) => write!(f, "{manifest}: {count} problems")?,
        }
        for problem in self.problems.iter().chain(&self.notices) {
            write!(f, "\n  {problem} [{}]", problem.code)?;
        }
        Ok(())
    }
}

impl fmt::Display for PackageSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = match self.capabilities.is_empty() {
            true => "nothing".to_owned(),
            false => self.capabilities.join(", "),
        };
        let (name, version, risk) = (&self.name, &self.version, &self.risk);
        write!(
            f,
            "{name} {version}: no problems (risk {risk}, asks for {asked})"
        )
    }
}

fn summary(manifest: &Manifest) -> PackageSummary {
    let requests = manifest.capabilities().iter();
    let tools = manifest.contributes().tools.keys();
    PackageSummary {
        name: manifest.name().to_string(),
        version: manifest.version().to_string(),
        risk: manifest.risk().to_string(),
        capabilities: requests.flat_map(|r| r.capability.tags()).collect(),
        tools: tools.map(ToString::to_string).collect(),
    }
}

fn read_manifest(file: &Path) -> Result<Manifest, Vec<Problem>> {
    let bytes = read_bounded(file).map_err(|error| {
        let message = format!("cannot read the manifest: {error}");
        let hint = "name a folder with a plugin.json, or write one with `keyway new`";
        vec![Problem::new("$", "UNREADABLE", message).with_hint(hint)]
    })?;
    Manifest::parse_strict(&bytes).map_err(|error| error.problems().to_vec())
}

/// Reads no more of a file than the parser would take, and nothing that is not a file.
fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let most = u64::try_from(Limits::default().manifest_bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(file)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Finds what is fine as text and would be refused by this host all the same.
fn against_this_host(manifest: &Manifest) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(required) = manifest.api()
        && let Err(error) = check_api(required, &[plugin_api_version()])
    {
        // The message ends with the next step.
        problems.push(Problem::new(at("api"), error.code(), error.to_string()));
    }
    if let Some(settings) = manifest.settings()
        && let Err(error) = Validator::compile(settings, &Limits::default())
    {
        let problem = Problem::new(at("settings"), error.code(), error.to_string());
        problems.push(problem.with_hint(error.hint()));
    }
    problems
}

/// Looks for what the command would run. A file that is not built yet is worth a word; it is no
/// fault of the manifest.
fn program(runtime: &RuntimeSpec, folder: &Path) -> Result<Option<Problem>, Problem> {
    let Some(command) = runtime.command.as_deref() else {
        return Ok(None);
    };
    let file = match command.strip_prefix("./") {
        Some(inside) => inside,
        None if runtime.kind == RuntimeKind::Process => script(command, &runtime.args)?,
        None => return Ok(None),
    };
    if folder.join(file).is_file() {
        return Ok(None);
    }
    let message = format!("there is no file {file} in the package");
    let problem = Problem::new(at("runtime.command"), "COMMAND_MISSING", message);
    Ok(Some(
        problem.with_hint("build the plugin and put its program there"),
    ))
}

/// Returns the script that an interpreter is to run: a host starts nothing else by a bare word.
fn script<'a>(word: &str, args: &'a [String]) -> Result<&'a str, Problem> {
    let refused = |message: String, hint: String| {
        Problem::new(at("runtime.command"), "COMMAND_UNUSABLE", message).with_hint(hint)
    };
    if let Some((_, last)) = word.rsplit_once('/') {
        let message =
            format!("`{word}` is neither a file of the package nor an interpreter's name");
        let hint = match word.starts_with('/') {
            true => format!("write `{last}`: a host looks interpreters up by name"),
            false => format!("write `./{word}` for a file of the package"),
        };
        return Err(refused(message, hint));
    }
    let script = args.iter().find(|argument| !argument.starts_with('-'));
    script.map(String::as_str).ok_or_else(|| {
        refused(
            format!("`{word}` is an interpreter's name, and `args` names no script"),
            format!("write `./{word}` for a program of the package, or name the script in `args`"),
        )
    })
}

fn at(field: &str) -> String {
    format!("extensions[\"dev.keyway\"].{field}")
}
