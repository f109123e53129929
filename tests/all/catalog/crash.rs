//! A power cut at every moment of every change, on a disk that forgets what was not synced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use keyway_host::catalog::{Catalog, CatalogState, DurableCatalog};
use keyway_host::clock::ManualClock;
use keyway_host::limits::Limits;
use keyway_host::store::FileStore;
use keyway_host::store::disk::{Disk, DiskOp, DiskReply};
use serde_json::json;

use super::support::{approve, disable, enable, id, operator, plugin, revoke, uninstall};

const SECTOR: usize = 512;

/// A small deterministic source of choices (xorshift).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

/// One file: what programs see, and what is on the platter.
#[derive(Debug, Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

/// A change of a name that is not durable yet. A rename is one change: it happens or not.
#[derive(Debug, Clone)]
enum NameOp {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Unlink(PathBuf),
}

#[derive(Debug, Clone, Default)]
struct Platter {
    inodes: Vec<Inode>,
    seen: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<NameOp>,
}

impl Platter {
    /// Returns a disk as a power cut may leave it: any of the pending names in any order, any
    /// sectors of files that were not synced.
    fn after_power_cut(&self, dice: &mut Dice) -> Self {
        let mut names = self.durable.clone();
        let mut pending = self.pending.clone();
        while !pending.is_empty() {
            let op = pending.remove(dice.roll(pending.len()));
            if dice.roll(2) == 0 {
                continue;
            }
            match op {
                NameOp::Link(path, inode) => drop(names.insert(path, inode)),
                NameOp::Rename(from, to, inode) => {
                    names.remove(&from);
                    names.insert(to, inode);
                }
                NameOp::Unlink(path) => drop(names.remove(&path)),
            }
        }
        let inodes = self.inodes.iter().map(|inode| {
            let content = torn(inode, dice);
            Inode {
                seen: content.clone(),
                durable: content,
            }
        });
        Self {
            inodes: inodes.collect(),
            seen: names.clone(),
            durable: names,
            pending: Vec::new(),
        }
    }

    fn sync_names(&mut self) {
        self.durable = self.seen.clone();
        self.pending.clear();
    }
}

/// Each sector is the new one, the old one, or empty where there was none; the length is old,
/// new or between.
fn torn(inode: &Inode, dice: &mut Dice) -> Vec<u8> {
    if inode.seen == inode.durable {
        return inode.seen.clone();
    }
    let (old, new) = (inode.durable.len(), inode.seen.len());
    let length = match dice.roll(4) {
        0 => old,
        1 => old.min(new) + dice.roll(old.abs_diff(new) + 1),
        _ => new,
    };
    let all_new = dice.roll(3) == 0;
    let mut content = vec![0; length];
    for (n, sector) in content.chunks_mut(SECTOR).enumerate() {
        let had_content = n * SECTOR < old;
        let source = match dice.roll(3) {
            _ if all_new => &inode.seen,
            0 => &inode.seen,
            1 if !had_content => continue,
            _ => &inode.durable,
        };
        for (offset, byte) in sector.iter_mut().enumerate() {
            *byte = source.get(n * SECTOR + offset).copied().unwrap_or(0);
        }
    }
    content
}

/// What the test knows when the power goes: which changes were acknowledged.
#[derive(Debug, Clone)]
struct Cut {
    platter: Platter,
    acknowledged: usize,
}

#[derive(Debug, Default)]
struct State {
    platter: Platter,
    acknowledged: usize,
    cuts: Vec<Cut>,
    forgets_syncs: bool,
}

/// A disk in memory that remembers every moment at which the power could go.
#[derive(Debug, Clone, Default)]
struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    fn of(platter: Platter) -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().platter = platter;
        disk
    }

    /// The control: a disk whose every sync is a lie, as for a program that does not sync.
    fn forgetting() -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().forgets_syncs = true;
        disk
    }

    fn acknowledge(&self) {
        let mut state = self.0.lock().unwrap();
        state.acknowledged += 1;
        state.cut();
    }

    fn cuts(&self) -> Vec<Cut> {
        self.0.lock().unwrap().cuts.clone()
    }
}

impl State {
    fn cut(&mut self) {
        let cut = Cut {
            platter: self.platter.clone(),
            acknowledged: self.acknowledged,
        };
        self.cuts.push(cut);
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.platter.seen.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.platter.inodes.len();
        self.platter.inodes.push(Inode::default());
        self.platter.seen.insert(path.to_owned(), inode);
        self.platter
            .pending
            .push(NameOp::Link(path.to_owned(), inode));
        self.cut();
        for part in bytes.chunks(2 * SECTOR) {
            self.platter.inodes[inode].seen.extend_from_slice(part);
            self.cut();
        }
        if !self.forgets_syncs {
            self.platter.inodes[inode].durable = bytes.to_vec();
        }
        Ok(())
    }

    fn append(&mut self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let inode = self.platter.seen.get(path).copied();
        let inode = inode.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let length = usize::try_from(at).unwrap();
        self.platter.inodes[inode].seen.resize(length, 0);
        self.cut();
        for part in bytes.chunks(SECTOR) {
            self.platter.inodes[inode].seen.extend_from_slice(part);
            self.cut();
        }
        if !self.forgets_syncs {
            self.platter.inodes[inode].durable = self.platter.inodes[inode].seen.clone();
        }
        Ok(())
    }

    fn stamp(&self, path: &Path) -> DiskReply {
        match self.platter.seen.get(path) {
            Some(inode) => {
                let length = self.platter.inodes[*inode].seen.len();
                DiskReply::Stamped((*inode * 1_000_000 + length + 1) as u64)
            }
            None => DiskReply::Missing,
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.platter.seen.remove(from);
        let inode = inode.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        self.platter.seen.insert(to.to_owned(), inode);
        let op = NameOp::Rename(from.to_owned(), to.to_owned(), inode);
        self.platter.pending.push(op);
        Ok(())
    }
}

impl State {
    fn remove(&mut self, path: &Path) {
        if self.platter.seen.remove(path).is_some() {
            self.platter.pending.push(NameOp::Unlink(path.to_owned()));
        }
    }
}

impl Disk for SimDisk {
    fn perform(&self, op: DiskOp<'_>) -> io::Result<DiskReply> {
        let mut state = self.0.lock().unwrap();
        state.cut();
        match op {
            DiskOp::Read { path, .. } => {
                let platter = &state.platter;
                return Ok(match platter.seen.get(path) {
                    Some(inode) => DiskReply::Found {
                        bytes: platter.inodes[*inode].seen.clone(),
                        shared: None,
                    },
                    None => DiskReply::Missing,
                });
            }
            DiskOp::Stamp(path) => return Ok(state.stamp(path)),
            DiskOp::Append { path, at, bytes } => state.append(path, at, bytes)?,
            DiskOp::Lock(_) => return Ok(DiskReply::Held(Box::new(()))),
            DiskOp::Write { path, bytes } => state.write(path, bytes)?,
            DiskOp::Rename { from, to, .. } => state.rename(from, to)?,
            DiskOp::Remove(path) => state.remove(path),
            DiskOp::SyncDir(_) if !state.forgets_syncs => state.platter.sync_names(),
            _ => {}
        }
        state.cut();
        Ok(DiskReply::Done)
    }
}

/// Where a catalog counts as large: never, so that the whole file is written; always, so that
/// lines are.
const WAYS: [usize; 2] = [usize::MAX, 0];

fn open(
    disk: &SimDisk,
    large_from: usize,
) -> (DurableCatalog, Vec<keyway_host::catalog::CatalogEvent>) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = FileStore::open_with("/state", &Limits::default(), disk).unwrap();
    let store = store.with_large_from(large_from);
    DurableCatalog::open(store, Arc::new(ManualClock::at(1_000))).unwrap()
}

/// Makes every kind of change, and returns the catalog after each, beginning with none.
fn history(disk: &SimDisk, large_from: usize) -> Vec<CatalogState> {
    let ask = json!([{ "kind": "secret", "names": ["TOKEN"] }]);
    let asker = plugin("asker").runs().asks(ask);
    let mut operations = vec![
        plugin("grok-llm").slot("llm").builtin().install(),
        plugin("deepseek-llm").slot("llm").install(),
        asker.install(),
        approve("asker"),
        asker.version("1.0.1").reload(),
        disable("deepseek-llm"),
        enable("grok-llm"),
        enable("deepseek-llm"),
        keyway_host::catalog::Operation::SetScope {
            plugin: id("asker"),
            scope: "acme".parse().unwrap(),
            by: operator(),
        },
        revoke("asker"),
        uninstall("grok-llm"),
    ];
    // A file of many sectors: torn writes need something to tear.
    operations.extend((0..12).map(|n| plugin(&format!("filler-x{n}x")).install()));
    operations.extend([uninstall("asker"), disable("deepseek-llm")]);
    let (catalog, _) = open(disk, large_from);
    let mut states = vec![CatalogState::clone(&catalog.snapshot())];
    for operation in operations {
        catalog.run(&operation).unwrap();
        states.push(CatalogState::clone(&catalog.snapshot()));
        disk.acknowledge();
    }
    states
}

/// What a power cut did to the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is the acknowledged one, or the one that was about to be.
    Kept,
    /// An acknowledged change is gone.
    Lost,
    /// It is not a catalog that ever was.
    Torn,
}

fn judge(cut: &Cut, states: &[CatalogState], dice: &mut Dice) -> Verdict {
    let disk = SimDisk::of(cut.platter.after_power_cut(dice));
    let (catalog, events) = open(&disk, 0);
    if !events.is_empty() {
        return Verdict::Torn;
    }
    let found = catalog.snapshot();
    let at = states.iter().position(|state| *state == *found);
    match at {
        None => Verdict::Torn,
        Some(at) if at == cut.acknowledged || at == cut.acknowledged + 1 => Verdict::Kept,
        Some(_) => Verdict::Lost,
    }
}

fn verdicts(disk: &SimDisk, large_from: usize, variants: u64) -> Vec<Verdict> {
    let states = history(disk, large_from);
    let mut verdicts = Vec::new();
    for (n, cut) in disk.cuts().iter().enumerate() {
        for variant in 0..variants {
            let mut dice = Dice::new(n as u64 * variants + variant + 1);
            verdicts.push(judge(cut, &states, &mut dice));
        }
    }
    verdicts
}

fn count(verdicts: &[Verdict], what: Verdict) -> usize {
    verdicts.iter().filter(|verdict| **verdict == what).count()
}

#[test]
fn s_a1_a_power_cut_anywhere_leaves_the_old_catalog_or_the_new_one() {
    for large_from in WAYS {
        let verdicts = verdicts(&SimDisk::default(), large_from, 8);
        assert!(verdicts.len() >= 2_000, "{} states", verdicts.len());
        assert_eq!(count(&verdicts, Verdict::Torn), 0);
        assert_eq!(count(&verdicts, Verdict::Lost), 0);
        println!("{} states, none torn, none lost", verdicts.len());
    }
}

#[test]
fn s_a1_control_without_syncs_catalogs_are_torn_and_changes_lost() {
    for large_from in WAYS {
        let verdicts = verdicts(&SimDisk::forgetting(), large_from, 2);
        let torn = count(&verdicts, Verdict::Torn);
        let lost = count(&verdicts, Verdict::Lost);
        assert!(
            torn > 0 && lost > 0,
            "{torn} torn, {lost} lost: the simulation bites"
        );
    }
}

#[test]
fn s_a1_what_a_power_cut_left_behind_is_cleared_by_the_next_start() {
    let mut leftovers = 0;
    for large_from in WAYS {
        let disk = SimDisk::default();
        let _ = history(&disk, large_from);
        for (n, cut) in disk.cuts().iter().enumerate() {
            let mut dice = Dice::new(n as u64 + 7);
            let after = SimDisk::of(cut.platter.after_power_cut(&mut dice));
            leftovers += usize::from(has_leftover(&after));
            let _ = open(&after, large_from);
            assert!(!has_leftover(&after));
        }
    }
    assert!(leftovers > 0, "there was something to clear");
}

fn has_leftover(disk: &SimDisk) -> bool {
    let state = disk.0.lock().unwrap();
    let mut names = state.platter.seen.keys();
    names.any(|path| path.ends_with("plugins.json.tmp"))
}
