//! What the files of a state folder hold, taken together.

use std::sync::Arc;

use super::StoreError;
use super::disk::DiskReply;
use super::folder::Folder;
use super::format::{self, Flaw};
use super::journal::{self, Journal};
use crate::catalog::{CatalogEvent, CatalogState};

/// How often a reader starts again because the files were written anew meanwhile.
const ATTEMPTS: usize = 16;

/// What the files held when they were last read or written.
pub(super) struct Known {
    /// The catalog file.
    pub(super) bytes: Vec<u8>,
    /// The revision of the catalog file alone.
    pub(super) base: u64,
    /// The journal beside it, as it was read.
    pub(super) journal: Vec<u8>,
    /// How much of that are whole lines that continue the file.
    pub(super) whole: usize,
    /// Whether lines of the journal are not used although they should be.
    pub(super) is_cut_short: bool,
    /// What the metadata of both said at the latest before they were read.
    pub(super) stamps: Option<[u64; 2]>,
    /// What both say together, mended.
    pub(super) state: Arc<CatalogState>,
    /// What was mended.
    pub(super) events: Vec<CatalogEvent>,
}

impl Known {
    /// Returns what is known of a file that was just written, without a journal.
    pub(super) fn fresh(bytes: Vec<u8>, state: Arc<CatalogState>) -> Self {
        Self {
            bytes,
            base: state.revision(),
            journal: Vec::new(),
            whole: 0,
            is_cut_short: false,
            stamps: None,
            state,
            events: Vec::new(),
        }
    }
}

/// What the files turned out to hold; intact content is in `known`.
pub(super) enum Content {
    /// The catalog file is no catalog.
    Flawed(String),
    Intact {
        /// Why somebody else could change the file.
        shared: Option<&'static str>,
        /// Whether it is not what it was when it was last read or written.
        moved: bool,
    },
    Missing,
}

/// Reads the files and remembers what they hold.
pub(super) fn reload(folder: &Folder, known: &mut Option<Known>) -> Result<Content, StoreError> {
    let stamps = folder.stamps();
    if let Some(known) = known
        && stamps.is_some()
        && known.stamps == stamps
    {
        let (shared, moved) = (None, false);
        return Ok(Content::Intact { shared, moved });
    }
    let files = match settled_files(folder)? {
        Ok(files) => files,
        Err(content) => {
            if let Content::Missing = content {
                *known = None;
            }
            return Ok(content);
        }
    };
    remember(folder, known, files)
}

struct Files {
    stamps: Option<[u64; 2]>,
    bytes: Vec<u8>,
    journal: Vec<u8>,
    shared: Option<&'static str>,
}

/// Reads both files as they stood at one moment: while the file is written anew, one may be
/// read before and the other after.
fn settled_files(folder: &Folder) -> Result<Result<Files, Content>, StoreError> {
    for _ in 1..ATTEMPTS {
        let files = files(folder)?;
        match &files {
            Ok(files) if files.stamps.map(first) != folder.stamps().map(first) => {}
            _ => return Ok(files),
        }
    }
    files(folder)
}

fn first(stamps: [u64; 2]) -> u64 {
    stamps[0]
}

fn files(folder: &Folder) -> Result<Result<Files, Content>, StoreError> {
    let stamps = folder.stamps();
    let path = folder.snapshot.as_path();
    let (bytes, shared) = match folder.read(path)? {
        DiskReply::Found { bytes, shared } => (bytes, shared),
        DiskReply::Missing => return Ok(Err(Content::Missing)),
        DiskReply::TooLarge(bytes) => return Ok(Err(Content::Flawed(folder.too_large(bytes)))),
        DiskReply::Unsafe(reason) => return Err(folder.refused(path, reason)),
        _ => return Err(folder.refused(path, "no answer".to_owned())),
    };
    Ok(Ok(Files {
        stamps,
        bytes,
        journal: journal_bytes(folder)?,
        shared,
    }))
}

fn journal_bytes(folder: &Folder) -> Result<Vec<u8>, StoreError> {
    let path = folder.journal.as_path();
    match folder.read(path)? {
        DiskReply::Found { bytes, .. } => Ok(bytes),
        DiskReply::Missing => Ok(Vec::new()),
        DiskReply::TooLarge(bytes) => Err(folder.refused(path, folder.too_large(bytes))),
        DiskReply::Unsafe(reason) => Err(folder.refused(path, reason)),
        _ => Err(folder.refused(path, "no answer".to_owned())),
    }
}

fn remember(
    folder: &Folder,
    known: &mut Option<Known>,
    files: Files,
) -> Result<Content, StoreError> {
    let shared = files.shared;
    let stamps = files.stamps.filter(|_| folder.is_large(files.bytes.len()));
    let was_known = known.is_some();
    if let Some(known) = known
        && known.bytes == files.bytes
        && known.journal == files.journal
    {
        known.stamps = stamps;
        let moved = false;
        return Ok(Content::Intact { shared, moved });
    }
    match format::parse(&files.bytes) {
        Ok(state) => {
            let joined = joined(folder, files, state);
            *known = Some(Known { stamps, ..joined });
            let moved = was_known;
            Ok(Content::Intact { shared, moved })
        }
        Err(Flaw::Damaged(reason)) => Ok(Content::Flawed(reason)),
        Err(Flaw::Newer(found)) => {
            let path = folder.snapshot.clone();
            Err(StoreError::SchemaNewer { path, found })
        }
    }
}

/// Continues a file by its journal, and mends what no operation could have made.
fn joined(folder: &Folder, files: Files, mut state: CatalogState) -> Known {
    let base = state.revision();
    let journal = journal::parse(&files.journal);
    let unused = unused_lines(&journal, base);
    let path = folder.journal.display();
    let mut events: Vec<_> = unused
        .iter()
        .map(|why| CatalogEvent::warning("CATALOG_DAMAGED", None, format!("{path} {why}")))
        .collect();
    let continues = journal.base == base;
    let whole = if continues { journal.whole } else { 0 };
    for delta in journal.deltas.into_iter().filter(|_| continues) {
        delta.apply(&mut state);
    }
    events.extend(state.repair());
    Known {
        base,
        whole,
        is_cut_short: unused.is_some(),
        events,
        journal: files.journal,
        ..Known::fresh(files.bytes, Arc::new(state))
    }
}

/// Says which lines of a journal are not used although they should be. A journal of an older
/// file is spent: the file has everything that it says.
fn unused_lines(journal: &Journal, base: u64) -> Option<String> {
    match journal.broken {
        Some(1) => Some("is damaged at line 1; what it says is not used".to_owned()),
        Some(line) if journal.base == base => Some(format!(
            "is damaged at line {line}; what follows is not used"
        )),
        _ if journal.base > base => {
            let expected = journal.base;
            Some(format!(
                "continues revision {expected}, but the catalog is at {base}; it is not used"
            ))
        }
        _ => None,
    }
}
