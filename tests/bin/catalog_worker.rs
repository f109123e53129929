//! A process that changes a catalog, for tests that kill it, run many of it, or starve it.
#![expect(clippy::print_stdout, reason = "its output is what it acknowledges")]

use std::error::Error;
use std::io::Read as _;
use std::sync::Arc;

use keyway_host::catalog::{
    Approval, Candidate, Catalog, Declaration, DurableCatalog, ManifestSummary, Operation,
};
use keyway_host::clock::ManualClock;
use keyway_host::digest::Digest;
use keyway_host::operator::OperatorId;
use keyway_host::rank::Precedence;
use keyway_host::store::FileStore;
use keyway_host::store::disk::{Disk as _, DiskOp, RealDisk};
use keyway_plugin_api::{PluginId, Slot};
use semver::Version;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["one", way, dir, verb, plugin] => one(&open(way, dir)?, verb, plugin),
        ["many", way, dir, worker, count] => many(&open(way, dir)?, worker, count.parse()?),
        ["hold", dir] => hold(dir),
        _ => Err("one WAY DIR VERB PLUGIN | many WAY DIR WORKER COUNT | hold DIR".into()),
    }
}

/// The clock stands still, so that the same change always writes the same bytes. The way
/// `journal` writes lines beside the smallest catalog, as others do beside a large one.
fn open(way: &str, dir: &str) -> Outcome<DurableCatalog> {
    let clock = Arc::new(ManualClock::at(1_000));
    let store = FileStore::open(dir)?;
    let store = match way {
        "journal" => store.with_large_from(0),
        _ => store,
    };
    Ok(DurableCatalog::open(store, clock)?.0)
}

fn one(catalog: &DurableCatalog, verb: &str, plugin: &str) -> Outcome<()> {
    catalog.run(&operation(verb, plugin)?)?;
    println!("acknowledged");
    Ok(())
}

fn operation(verb: &str, name: &str) -> Outcome<Operation> {
    let plugin = PluginId::parse(name)?;
    Ok(match verb {
        "install" => Operation::Install {
            candidate: Box::new(candidate(name, "1.0.0")?),
        },
        "enable" => Operation::Enable { plugin },
        "disable" => Operation::Disable {
            plugin,
            cascade: false,
        },
        "reload" => Operation::Reload {
            plugin,
            candidate: Box::new(candidate(name, "1.0.1")?),
        },
        "uninstall" => Operation::Uninstall {
            plugin,
            cascade: false,
            state: None,
        },
        "revoke" => Operation::Revoke {
            plugin,
            by: OperatorId::parse("olga")?,
            reason: "it lied".to_owned(),
        },
        other => return Err(format!("unexpected verb {other}").into()),
    })
}

/// Rivals want the same exclusive slot.
fn candidate(name: &str, version: &str) -> Outcome<Candidate> {
    let slot = if name.starts_with("rival") {
        Slot::Llm
    } else {
        Slot::Custom
    };
    let summary = ManifestSummary::new(PluginId::parse(name)?, Version::parse(version)?, slot);
    let mut declared = Declaration::default();
    declared.digest = Some(Digest::of(version.as_bytes()));
    let approval = Approval::by(OperatorId::parse("olga")?);
    Ok(Candidate::of_summary(summary, declared)
        .with_precedence(Precedence::User)
        .with_approval(approval))
}

/// Makes `count` changes that succeed, and says how many it made: to a plugin of its own, where
/// all succeed, and to one that fights with those of the other workers for a slot.
fn many(catalog: &DurableCatalog, worker: &str, count: usize) -> Outcome<()> {
    let (own, rival) = (format!("own-{worker}"), format!("rival-{worker}"));
    let rounds = [
        ("install", &own),
        ("install", &rival),
        ("disable", &own),
        ("enable", &own),
        ("enable", &rival),
        ("reload", &own),
        ("disable", &rival),
    ];
    let mut made = 0;
    for (verb, name) in rounds.iter().cycle() {
        if made == count {
            break;
        }
        made += usize::from(catalog.run(&operation(verb, name)?).is_ok());
    }
    println!("{made}");
    Ok(())
}

/// Takes the lock and keeps it until standard input ends, or forever.
fn hold(dir: &str) -> Outcome<()> {
    let path = std::path::Path::new(dir).join("plugins.lock");
    let _lock = RealDisk::default().perform(DiskOp::Lock(&path))?;
    println!("holding");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
