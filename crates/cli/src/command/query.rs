//! Commands that look and change nothing.

use std::sync::Arc;

use keyway_host::catalog::{CatalogEntry, CatalogState};
use keyway_plugin_api::{PluginId, Slot};

use super::{Mode, operation};
use crate::args::ListArgs;
use crate::failure::Failure;
use crate::output;
use crate::render;
use crate::session::Session;

pub(super) fn list(session: &Session, args: &ListArgs, mode: Mode) -> Result<(), Failure> {
    let slot = args.slot.as_deref().map(parse_slot).transpose()?;
    let mut state = CatalogState::clone(&session.state());
    state.entries.retain(|_, entry| {
        let in_slot = slot.is_none_or(|slot| slot_of(entry) == slot);
        in_slot && (entry.enabled || !args.enabled)
    });
    if mode.json {
        return output::json(&state);
    }
    output::line(render::list(&state, slot.is_some()));
    let installed = session.state();
    let gone: Vec<_> = state
        .keyway
        .revocations
        .keys()
        .filter(|id| !installed.entries.contains_key(*id))
        .map(PluginId::as_str)
        .collect();
    if installed.entries.is_empty() && gone.is_empty() {
        say_that_nothing_is_there(session);
    }
    if !gone.is_empty() {
        output::note(format_args!(
            "revoked and not installed: {}",
            gone.join(", ")
        ));
    }
    Ok(())
}

/// Says whose emptiness it is: a mistyped `--dir` looks like a folder in which nothing is installed.
pub(super) fn say_that_nothing_is_there(session: &Session) {
    // A catalog that was lost has been spoken of already.
    if session.lost_plugins().unwrap_or(0) > 0 {
        return;
    }
    let folder = output::shown(&session.dir().to_string_lossy());
    output::note(format_args!("nothing is installed in {folder}"));
    output::help("to install a package: keyway plugin install ./my-plugin");
    output::help("another state folder is named by --dir DIR or KEYWAY_DIR");
}

pub(super) fn rules(session: &Session, mode: Mode) -> Result<(), Failure> {
    let state = session.state();
    let rules = &state.keyway.tool_rules;
    if mode.json {
        return output::json(rules);
    }
    output::line(render::rules(rules));
    Ok(())
}

fn slot_of(entry: &Arc<CatalogEntry>) -> Slot {
    entry.slot.unwrap_or(entry.manifest.slot)
}

fn parse_slot(word: &str) -> Result<Slot, Failure> {
    let mut slots = Slot::ALL.into_iter();
    slots.find(|slot| slot.as_str() == word).ok_or_else(|| {
        let known = Slot::ALL.map(Slot::as_str).join(", ");
        Failure::new("SLOT_UNKNOWN", format_args!("there is no slot `{word}`"))
            .hint(format!("the slots are {known}"))
    })
}

pub(super) fn info(session: &Session, name: &str, mode: Mode) -> Result<(), Failure> {
    let entry = session.entry(&operation::plugin(name)?)?;
    if mode.json {
        return output::json(&*entry);
    }
    output::line(render::info(&session.state(), &entry, session.now_ms()));
    // A broken trail is a matter of `audit verify`, not of this command.
    if let Ok(Some(failure)) = session.last_failure(&entry.manifest.name) {
        output::line(render::failure(&failure));
    }
    Ok(())
}

pub(super) fn grants(session: &Session, name: &str, mode: Mode) -> Result<(), Failure> {
    let entry = session.entry(&operation::plugin(name)?)?;
    if mode.json {
        return output::json(&entry.keyway.grants);
    }
    output::line(render::grants(&session.state(), &entry, session.now_ms()));
    Ok(())
}

pub(super) fn proposals(session: &Session, mode: Mode) -> Result<(), Failure> {
    let state = session.state();
    let proposals = &state.keyway.proposals;
    if mode.json {
        return output::json(proposals);
    }
    output::line(render::proposals(proposals));
    Ok(())
}
