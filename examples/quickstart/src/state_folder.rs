//! The folder that a run leaves behind, and the promise to empty only what a run made.

use std::path::Path;
use std::{fmt, fs, io};

use serde_json::Value;

use crate::platform::PLUGINS;
use crate::stop::Stop;

/// The file that says a folder is this program's.
const MARKER: &str = "made-by-quickstart.txt";
const MARKER_TEXT: &str = "The quickstart example made this folder and empties it at each start.\n";
/// The catalog in a state folder.
const CATALOG: &str = "plugins.json";
const OTHER_FOLDER: &str = "name another folder: --dir target/quickstart";

/// What was there before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// The state of an earlier run, now gone.
    EarlierRun,
    /// Nothing.
    Nothing,
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EarlierRun => "emptied: an earlier run made it",
            Self::Nothing => "new",
        })
    }
}

/// Makes the folder, empty but for the marker.
///
/// # Errors
/// [`Stop`] saying what is in the way.
pub(crate) fn prepare(folder: &Path) -> Result<Before, Stop> {
    let before = clear(folder)?;
    let made = fs::create_dir_all(folder).and_then(|()| mark(folder));
    made.map_err(|e| failed("make", folder, &e))?;
    Ok(before)
}

fn clear(folder: &Path) -> Result<Before, Stop> {
    let found = match fs::symlink_metadata(folder) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Before::Nothing),
        Err(e) => return Err(failed("look at", folder, &e)),
    };
    if found.is_dir() && is_empty(folder) {
        return Ok(Before::Nothing);
    }
    // A link is no folder here: following it would delete somewhere else than it says.
    if !found.is_dir() || !folder.join(MARKER).is_file() {
        let problem = format!(
            "{} is not this program's and stays as it is",
            folder.display()
        );
        return Err(Stop::new(problem, [OTHER_FOLDER.to_owned()]));
    }
    if let Some(plugin) = plugin_of_others(folder) {
        let problem = format!(
            "{} holds {plugin}, which this program did not install, and stays as it is",
            folder.display()
        );
        return Err(Stop::new(problem, [OTHER_FOLDER.to_owned()]));
    }
    fs::remove_dir_all(folder).map_err(|e| failed("empty", folder, &e))?;
    Ok(Before::EarlierRun)
}

/// Finds a plugin that somebody installed here since: then the folder is theirs now.
fn plugin_of_others(folder: &Path) -> Option<String> {
    let catalog = fs::read_to_string(folder.join(CATALOG)).ok()?;
    let catalog: Value = serde_json::from_str(&catalog).ok()?;
    let mut names = catalog["entries"].as_object()?.keys();
    let other = names.find(|name| !PLUGINS.contains(&name.as_str()));
    other.cloned()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut names| names.next().is_none())
}

fn mark(folder: &Path) -> io::Result<()> {
    io::Write::write_all(
        &mut fs::File::create(folder.join(MARKER))?,
        MARKER_TEXT.as_bytes(),
    )
}

fn failed(what: &str, folder: &Path, error: &io::Error) -> Stop {
    let problem = format!("cannot {what} {}: {error}", folder.display());
    Stop::new(problem, [OTHER_FOLDER.to_owned()])
}
