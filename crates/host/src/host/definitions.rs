//! The tools' descriptions of themselves that a pin stands for, so that a change is told in words after a
//! restart too.
//!
//! A pin is a digest; here lies what it is the digest of, one file for all tools of a plugin. Nothing in
//! here is believed: a description that has not the digest that is asked for is none. One that is missing
//! costs the words of a change and never the change.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use keyway_plugin_api::{ToolDescriptor, ToolName};

use super::live::Prepared;
use super::shown::told;
use crate::audit::Redactor;
use crate::catalog::{CatalogEntry, CatalogState, in_words, tool_lines};
use crate::digest::Digest;
use crate::engine::Engine;
use crate::registry::definition_of;
use crate::store::disk::{Disk, DiskOp, DiskReply, RealDisk};

/// Folder of a state folder with the descriptions.
const FOLDER: &str = "definitions";
/// Largest file that is kept, in bytes: of a plugin with more to say only the names of its tools are told.
const LARGEST: usize = 4 * 1024 * 1024;

type Pins = BTreeMap<ToolName, Digest>;

/// Where descriptions are kept; nowhere in a host that keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Definitions(Option<PathBuf>);

impl Definitions {
    pub(crate) fn below(state: &Path) -> Self {
        Self(Some(state.join(FOLDER)))
    }

    /// Tells whether there is nothing to keep for these pins.
    pub(super) fn holds(&self, pins: &Pins) -> bool {
        let folder = self.0.as_ref();
        folder.is_none_or(|folder| pins.is_empty() || folder.join(file_of(pins)).exists())
    }

    /// Keeps what the tools of one plugin say of themselves, unless a secret is in it.
    pub(super) fn keep(&self, pins: &Pins, tools: &[ToolDescriptor], redactor: &Redactor) {
        let Some(folder) = self.0.as_ref().filter(|_| !tools.is_empty()) else {
            return;
        };
        if self.of(pins).is_none()
            && let Err(error) = write(&folder.join(file_of(pins)), tools, redactor)
        {
            tracing::warn!("what a plugin's tools say of themselves was not kept: {error}");
        }
    }

    /// Returns the descriptions that these pins stand for, where all of them are there.
    pub(super) fn of(&self, pins: &Pins) -> Option<Vec<ToolDescriptor>> {
        let path = self.0.as_ref()?.join(file_of(pins));
        let limit = LARGEST as u64;
        let read = DiskOp::Read { path: &path, limit };
        let DiskReply::Found { bytes, .. } = RealDisk.perform(read).ok()? else {
            return None;
        };
        let tools: Vec<ToolDescriptor> = serde_json::from_slice(&bytes).ok()?;
        (pins_of(&tools) == *pins).then_some(tools)
    }

    /// Removes what no pin in the catalog stands for any more.
    pub(super) fn sweep(&self, state: &CatalogState) {
        let Some(entries) = self.0.as_ref().and_then(|folder| fs::read_dir(folder).ok()) else {
            return;
        };
        let pinned = state.entries.values().flat_map(|entry| pinned_in(entry));
        let wanted: BTreeSet<OsString> = pinned.map(|pins| file_of(pins).into()).collect();
        let is_leftover = |entry: &fs::DirEntry| !wanted.contains(&entry.file_name());
        for entry in entries.flatten().filter(is_leftover) {
            if let Err(error) = RealDisk.perform(DiskOp::Remove(&entry.path())) {
                tracing::warn!(path = %entry.path().display(), "a leftover stays: {error}");
            }
        }
    }
}

fn write(path: &Path, tools: &[ToolDescriptor], redactor: &Redactor) -> io::Result<()> {
    let text = serde_json::to_string(tools)?;
    if text.len() > LARGEST || redactor.redact(&text) != text {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        RealDisk.perform(DiskOp::CreateDir(folder))?;
    }
    RealDisk.perform(DiskOp::Remove(path))?;
    let bytes = text.as_bytes();
    RealDisk.perform(DiskOp::Write { path, bytes }).map(drop)
}

/// The pins of what is approved, and of what waits.
fn pinned_in(entry: &CatalogEntry) -> impl Iterator<Item = &Pins> {
    let record = &entry.keyway;
    let waiting = record.pending_update.iter();
    let waiting = waiting.map(|update| &update.candidate.declared.tool_pins);
    waiting.chain([&record.declared.tool_pins])
}

fn file_of(pins: &Pins) -> String {
    let digest = one_of(pins).to_string();
    format!("{}.json", digest.trim_start_matches("sha256:"))
}

/// Returns one digest for all definitions, where there are any.
pub(super) fn digest_of(pins: &Pins) -> Option<Digest> {
    (!pins.is_empty()).then(|| one_of(pins))
}

/// Digests pins as the JSON that they are; a tool's name has nothing to escape.
fn one_of(pins: &Pins) -> Digest {
    let pin = |(name, digest): (&ToolName, &Digest)| format!("\"{name}\":\"{digest}\"");
    let pins: Vec<_> = pins.iter().map(pin).collect();
    Digest::of(format!("{{{}}}", pins.join(",")).as_bytes())
}

/// Returns the digests of descriptions.
fn pins_of<'t>(tools: impl IntoIterator<Item = &'t ToolDescriptor>) -> Pins {
    let pin = |tool: &ToolDescriptor| (tool.name.clone(), definition_of(tool));
    tools.into_iter().map(pin).collect()
}

/// Tells how tools differ from those that are pinned, by what those said where that is known, else
/// by name; nothing where each of them is pinned.
pub(super) fn changed(engine: &Engine, pins: &Pins, now: &Prepared) -> Vec<String> {
    let named = tool_lines(pins, &now.pins());
    if named.is_empty() {
        return named;
    }
    let before = engine.shown.definitions().of(pins);
    let words = before.map(|before| told(engine, &before, &now.descriptors()));
    in_words(named, &words.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use keyway_plugin_api::{Effect, SecretValue};
    use serde_json::json;

    use super::*;

    fn tools(description: &str) -> Vec<ToolDescriptor> {
        let name = ToolName::parse("add").unwrap();
        vec![ToolDescriptor::new(
            name,
            description,
            Effect::Read,
            json!({"type": "object"}),
        )]
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let found = fs::read_dir(folder.join(FOLDER)).unwrap().flatten();
        found.map(|entry| entry.path()).collect()
    }

    fn keep(kept: &Definitions, tools: &[ToolDescriptor]) {
        kept.keep(&pins_of(tools), tools, &Redactor::new());
    }

    #[test]
    fn what_was_pinned_is_found_again_by_its_pins_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (tools("Adds."), tools("Adds. Reads ~/.ssh first."));
        keep(&Definitions::below(folder.path()), &old);
        let again = Definitions::below(folder.path());
        assert_eq!(again.of(&pins_of(&old)), Some(old.clone()));
        assert_eq!(again.of(&pins_of(&new)), None);
        assert!(again.holds(&pins_of(&old)) && !again.holds(&pins_of(&new)));
        let nowhere = Definitions::default();
        keep(&nowhere, &old);
        assert_eq!(nowhere.of(&pins_of(&old)), None);
        assert!(nowhere.holds(&pins_of(&old)));
    }

    #[test]
    fn pins_are_digested_as_the_json_that_they_are() {
        let names = ["a", "ab", "a_b-2", "Z", "a.b"];
        let names = names
            .into_iter()
            .filter_map(|name| ToolName::parse(name).ok());
        let pin = |name: ToolName| (name.clone(), Digest::of(name.as_str().as_bytes()));
        let pins: Pins = names.map(pin).collect();
        assert!(pins.len() > 2);
        for pins in [pins, Pins::new()] {
            assert_eq!(one_of(&pins), Digest::of_json(&json!(pins)));
        }
    }

    #[test]
    fn a_description_with_a_secret_in_it_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let redactor = Redactor::new();
        redactor.learn(&SecretValue::new("hunter2-hunter2"));
        let told = tools("Adds with hunter2-hunter2.");
        let kept = Definitions::below(folder.path());
        kept.keep(&pins_of(&told), &told, &redactor);
        assert_eq!(kept.of(&pins_of(&told)), None);
        // The control: nobody told this one of the secret.
        keep(&kept, &told);
        assert_eq!(kept.of(&pins_of(&told)), Some(told));
    }

    #[test]
    fn a_file_that_says_something_else_is_none_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let old = tools("Adds.");
        let kept = Definitions::below(folder.path());
        keep(&kept, &old);
        let [file] = &files(folder.path())[..] else {
            panic!("one file");
        };
        for forged in [
            serde_json::to_vec(&tools("Takes away.")).unwrap(),
            b"[".to_vec(),
        ] {
            RealDisk.perform(DiskOp::Remove(file)).unwrap();
            RealDisk
                .perform(DiskOp::Write {
                    path: file,
                    bytes: &forged,
                })
                .unwrap();
            assert_eq!(kept.of(&pins_of(&old)), None);
            keep(&kept, &old);
            assert_eq!(kept.of(&pins_of(&old)), Some(old.clone()));
        }
    }

    #[test]
    fn what_no_pin_stands_for_is_swept_and_what_is_too_large_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (old, huge) = (tools("Adds."), tools(&"x".repeat(LARGEST)));
        let kept = Definitions::below(folder.path());
        keep(&kept, &old);
        keep(&kept, &huge);
        assert_eq!(files(folder.path()).len(), 1);
        kept.sweep(&CatalogState::default());
        assert!(files(folder.path()).is_empty());
    }
}
