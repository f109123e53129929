//! What the executable does: serve a channel, describe itself, or say what it is.

use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use keyway_plugin_api::{Manifest, Plugin};

use crate::describe::description;
use crate::error::ServeError;
use crate::opening::{self, CHANNEL};
use crate::session;

/// The program was started by hand.
const BY_HAND: u8 = 2;

/// Makes this process a plugin: opens the channel that the host left, serves it, and returns the
/// code to exit with.
///
/// Call it first thing in `main`, with nothing opened before. Code 0: the host asked the plugin to
/// stop. 1: the channel ended or broke, or the manifest is wrong; standard error says which. 2: there
/// is no channel, because nobody but a host starts a plugin; standard error says what to do. With
/// `--describe` as the only argument and no channel it prints the plugin's id, version, API range and
/// tools as JSON.
///
/// ```no_run
/// use std::process::ExitCode;
/// # use std::borrow::Cow;
/// # use keyway_plugin_api::{Plugin, Register, RegisterError};
/// # struct Notes;
/// # impl Plugin for Notes {
/// #     fn manifest(&self) -> Cow<'static, str> { "{}".into() }
/// #     fn register(&self, _: &mut Register<'_>) -> Result<(), RegisterError> { Ok(()) }
/// # }
/// fn main() -> ExitCode {
///     keyway_serve::run(Notes)
/// }
/// ```
pub fn run(plugin: impl Plugin) -> ExitCode {
    let plugin: Arc<dyn Plugin> = Arc::new(plugin);
    match serve(plugin) {
        Ok(code) => code,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn serve(plugin: Arc<dyn Plugin>) -> Result<ExitCode, ServeError> {
    let text = plugin.manifest();
    let (manifest, _notices) = Manifest::parse(text.as_bytes())?;
    if env::var_os(CHANNEL).is_none() {
        return Ok(without_channel(&*plugin, &manifest));
    }
    let opened = opening::open(&manifest)?;
    session::serve(plugin, manifest, opened)?;
    Ok(ExitCode::SUCCESS)
}

fn without_channel(plugin: &dyn Plugin, manifest: &Manifest) -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if !matches!(&arguments[..], [only] if only == "--describe") {
        say(&by_hand(manifest));
        return ExitCode::from(BY_HAND);
    }
    match description(plugin, manifest) {
        Ok(json) => match writeln!(std::io::stdout(), "{json}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(problem) => {
            say(&format!("cannot describe itself: {problem}"));
            ExitCode::FAILURE
        }
    }
}

fn by_hand(manifest: &Manifest) -> String {
    let program = env::args().next().unwrap_or_default();
    format!(
        "{name} {version} is a keyway plugin. A keyway host starts it; by itself it does nothing.\n\
         \n\
         To install it, give the host the folder that holds its plugin.json:\n\
         \n    keyway plugin install FOLDER\n\
         \n\
         To see what it offers:\n\
         \n    {program} --describe",
        name = manifest.name(),
        version = manifest.version(),
    )
}

/// Writes to standard error, which the host keeps; nothing can be done when that fails.
fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}
