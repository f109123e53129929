//! What plugins log: one JSONL file each, scrubbed of secrets, safe to print, bounded in size.
//!
//! A log is a help, not a record: lines are not made durable one by one, the oldest are dropped,
//! and a line that cannot be written is lost. What must not be lost is in the audit trail.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use keyway_host::audit::Redactor;
use keyway_host::clock::Clock;
use keyway_host::text::printable;
use keyway_plugin_api::{LogLevel, PluginId};
use serde::{Deserialize, Serialize};

use crate::{EffectLimits, private};

/// Ends a text that was cut.
const CUT: &str = "… (cut)";

/// One line of a plugin's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogLine {
    /// When it was written, in Unix milliseconds.
    pub at_ms: i64,
    /// How important it is.
    pub level: LogLevel,
    /// The text, scrubbed and printable.
    pub message: String,
}

/// Writes and reads plugins' logs in one folder.
pub struct PluginLog {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    redactor: Redactor,
    limits: EffectLimits,
    open: Mutex<HashMap<PluginId, (fs::File, u64)>>,
}

impl PluginLog {
    /// Opens the folder, making it when it is not there, for its owner only.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(
        folder: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
        redactor: Redactor,
        limits: EffectLimits,
    ) -> io::Result<Self> {
        let folder = folder.into();
        private::make_folder(&folder)?;
        Ok(Self {
            folder,
            clock,
            redactor,
            limits,
            open: Mutex::default(),
        })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, plugin: &PluginId, level: LogLevel, message: &str) -> io::Result<()> {
        let line = LogLine {
            at_ms: self.clock.now_ms(),
            level,
            message: self.presentable(message),
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut file, mut length) = match open.remove(plugin) {
            Some(known) => known,
            None => self.file(plugin)?,
        };
        if length + text.len() as u64 > self.limits.log_file_bytes {
            let path = self.path(plugin);
            fs::rename(&path, older(&path))?;
            (file, length) = self.file(plugin)?;
        }
        file.write_all(&text)?;
        open.insert(plugin.clone(), (file, length + text.len() as u64));
        Ok(())
    }

    /// Returns the last lines of a plugin's log, oldest first.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn tail(&self, plugin: &PluginId, lines: usize) -> io::Result<Vec<LogLine>> {
        let path = self.path(plugin);
        let text = self.read(&older(&path))? + &self.read(&path)?;
        // The first line of a file can be missing its beginning, the last one its end.
        let parsed = text
            .lines()
            .rev()
            .filter_map(|l| serde_json::from_str(l).ok());
        let mut last: Vec<LogLine> = parsed.take(lines).collect();
        last.reverse();
        Ok(last)
    }

    /// Removes a plugin's log.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove(&self, plugin: &PluginId) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(plugin);
        let path = self.path(plugin);
        for path in [older(&path), path] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Scrubs before it cuts, so that no part of a secret is left at the cut.
    fn presentable(&self, message: &str) -> String {
        let scrubbed = self.redactor.redact(message);
        let limit = self.limits.log_text_bytes;
        if scrubbed.len() <= limit {
            return printable(&scrubbed).into_owned();
        }
        let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= limit;
        let end = scrubbed
            .char_indices()
            .take_while(fits)
            .map(|(at, c)| at + c.len_utf8());
        let end = end.last().unwrap_or(0);
        format!("{}{CUT}", printable(&scrubbed[..end]))
    }

    fn file(&self, plugin: &PluginId) -> io::Result<(fs::File, u64)> {
        let mut file = private::open(&self.path(plugin))?;
        let length = file.seek(SeekFrom::End(0))?;
        Ok((file, length))
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        let mut bytes = Vec::new();
        match fs::File::open(path) {
            Ok(file) => file
                .take(self.limits.log_file_bytes)
                .read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn path(&self, plugin: &PluginId) -> PathBuf {
        self.folder.join(format!("{plugin}.jsonl"))
    }
}

impl std::fmt::Debug for PluginLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginLog")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Where the lines before the current file are kept.
fn older(path: &Path) -> PathBuf {
    path.with_extension("1.jsonl")
}
