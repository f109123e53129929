//! What plugins keep, when an operator takes it away, brings it back or throws it away.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use keyway_effects::EffectLimits;
use keyway_effects::state::{StateExport, StateFolder};
use keyway_plugin_api::PluginId;

use crate::failure::Failure;

/// Name of the folder with what plugins keep, in the state folder.
const STATES: &str = "state";

/// What the plugins of a state folder keep.
#[derive(Debug)]
pub(crate) struct States {
    folder: PathBuf,
}

impl States {
    pub(super) fn of(dir: &Path) -> Self {
        Self {
            folder: dir.join(STATES),
        }
    }

    /// Tells whether a plugin keeps anything.
    pub(crate) fn has(&self, plugin: &PluginId) -> bool {
        self.folder.join(format!("{plugin}.state")).is_file()
    }

    /// Takes hold of what some plugins keep, so that no running host changes it meanwhile.
    ///
    /// Fails when a host is using it.
    pub(crate) fn hold(&self, plugins: &[PluginId]) -> Result<Held, Failure> {
        let held: Vec<_> = plugins.iter().filter(|id| self.has(id)).cloned().collect();
        let folder = match held.as_slice() {
            [] => None,
            _ => Some(self.open()?),
        };
        for plugin in &held {
            if let Some(folder) = &folder {
                folder.plugin(plugin, u64::MAX)?;
            }
        }
        Ok(Held { folder, held })
    }

    /// Writes everything a plugin keeps to a new file.
    pub(crate) fn export(&self, plugin: &PluginId, file: &Path) -> Result<(), Failure> {
        if !self.has(plugin) {
            let message = format!("{plugin} keeps no state");
            return Err(Failure::new("STATE_ABSENT", message));
        }
        write_new(file, &self.open()?.export(plugin)?.to_json())
    }

    /// Replaces everything a plugin keeps, within its quota.
    pub(crate) fn import(&self, plugin: &PluginId, file: &Path, quota: u64) -> Result<(), Failure> {
        let text = std::fs::read_to_string(file)
            .map_err(|e| unusable(file, &e).hint("name a file that `keyway state export` wrote"))?;
        let export = StateExport::from_json(&text)?;
        Ok(self.open()?.import(plugin, &export, quota)?)
    }

    fn open(&self) -> Result<StateFolder, Failure> {
        Ok(StateFolder::open(&self.folder, EffectLimits::default())?)
    }
}

/// State that is held until it is thrown away or let go.
#[derive(Debug)]
pub(crate) struct Held {
    folder: Option<StateFolder>,
    held: Vec<PluginId>,
}

impl Held {
    /// Writes what one of the plugins keeps to a new file; nothing where it keeps nothing.
    pub(crate) fn export(&self, plugin: &PluginId, file: &Path) -> Result<(), Failure> {
        match &self.folder {
            Some(folder) if self.held.contains(plugin) => {
                write_new(file, &folder.export(plugin)?.to_json())
            }
            _ => Ok(()),
        }
    }

    /// Throws away what some of the plugins keep.
    pub(crate) fn discard(self, plugins: &[PluginId]) -> Result<(), Failure> {
        let Some(folder) = self.folder else {
            return Ok(());
        };
        for plugin in plugins.iter().filter(|id| self.held.contains(id)) {
            folder.discard(plugin)?;
        }
        Ok(())
    }
}

/// Writes a file that is not there yet, readable by its owner only; durable when this returns.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|e| {
        let failure = unusable(path, &e);
        match e.kind() {
            io::ErrorKind::AlreadyExists => failure.hint("name a file that is not there yet"),
            _ => failure.hint("name a new file in a folder that you can write to"),
        }
    })
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::new("FILE_UNUSABLE", format_args!("{}: {error}", path.display()))
}
