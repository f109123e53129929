//! `keyway audit`: what happened, and whether the record of it is whole.

use keyway_host::audit::{Change, Filter, Head, Record, Trail};
use serde::Serialize;
use serde_json::{Value, json};

use super::put_back;
use crate::args::{AuditCommand, AuditListArgs, Global};
use crate::failure::Failure;
use crate::output;
use crate::render;
use crate::session::{self, Session};

/// What `audit verify --json` prints.
#[derive(Serialize)]
struct Report {
    success: bool,
    records: u64,
    head: String,
}

pub(super) fn run(
    global: &Global,
    command: Option<AuditCommand>,
    list: AuditListArgs,
) -> Result<(), Failure> {
    let trail = session::trail(global)?;
    match command.unwrap_or(AuditCommand::List(list)) {
        AuditCommand::List(args) => show(trail.as_ref(), &args, global.json),
        AuditCommand::Verify { against } => verify(trail.as_ref(), against.as_deref(), global),
        AuditCommand::Replay => replay(trail.as_ref(), global),
    }
}

fn show(trail: Option<&Trail>, args: &AuditListArgs, json: bool) -> Result<(), Failure> {
    let mut filter = Filter::new();
    if let Some(plugin) = &args.plugin {
        filter = filter.plugin(plugin);
    }
    let last = trail
        .map(|trail| trail.last(args.limit, &filter))
        .transpose()?;
    let records = last.unwrap_or_default();
    if json {
        let values: Vec<_> = records.iter().map(value).collect();
        return output::json(&values);
    }
    if records.is_empty() {
        output::note("there are no such events");
    }
    for record in &records {
        output::line(render::record(
            record.seq,
            record.at_ms,
            &record.kind,
            &value(record),
        ));
    }
    Ok(())
}

fn value(record: &Record) -> Value {
    serde_json::from_str(record.as_line()).unwrap_or_default()
}

fn verify(trail: Option<&Trail>, against: Option<&str>, global: &Global) -> Result<(), Failure> {
    let known = against.map(str::parse::<Head>).transpose()?;
    let verified = match (trail, &known) {
        (Some(trail), Some(head)) => trail.verify_against(head)?,
        (Some(trail), None) => trail.verify()?,
        (None, _) => return Err(no_trail(global, known.is_some())),
    };
    let report = Report {
        success: true,
        records: verified.records,
        head: verified.head.to_string(),
    };
    if global.json {
        return output::json(&report);
    }
    output::line(format_args!(
        "The trail is whole: {} records.",
        report.records
    ));
    output::line(format_args!("Head: {}", report.head));
    output::help("note the head elsewhere: verify --against HEAD shows a cut end");
    Ok(())
}

/// Nothing is proved where there is nothing: the folder may be another one, or its trail was removed.
fn no_trail(global: &Global, is_known: bool) -> Failure {
    let dir = global.dir();
    let code = match is_known {
        true => "AUDIT_BROKEN",
        false => "AUDIT_ABSENT",
    };
    let message = format!("there is no audit trail in {}", dir.display());
    Failure::new(code, message).hint("the state folder is named by --dir DIR or KEYWAY_DIR")
}

fn replay(trail: Option<&Trail>, global: &Global) -> Result<(), Failure> {
    let replayed = trail
        .map(Trail::replay)
        .transpose()?
        .unwrap_or_else(|| json!({}));
    if global.json {
        return output::json(&replayed);
    }
    let session = Session::open(global)?;
    let state = serde_json::to_value(&*session.state()).map_err(|e| Failure::not_json(&e))?;
    let is_empty = session.state().revision() == 0 && replayed == json!({});
    if is_empty || replayed == state {
        output::line("The trail adds up to the catalog.");
        return Ok(());
    }
    let difference = Change::between(&replayed, &state);
    let places = difference.removed.iter().chain(difference.set.keys());
    let failure = Failure::new(
        "CATALOG_DIFFERS",
        "the trail does not add up to the catalog",
    );
    Err(places
        .fold(failure, |failure, place| {
            failure.detail(format!("they differ at {place}"))
        })
        .hint("somebody changed the catalog file by hand, or put another one in its place")
        .hint(put_back(session.dir())))
}
