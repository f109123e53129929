//! Attack B8: plugins that use up what they get hold of. Each stops at its limit, and the others
//! answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyway_host::view::CallOptions;
use keyway_sandbox::{Jail, Limits, Missing};
use keyway_test_support::TestHost;
use serde_json::{Value, json};

use crate::load::{Times, paced};
use crate::support::{CEILING, Site, eventually, failures_in_trail, processes, quick, running};

const MIB: u64 = 1 << 20;

/// A bomb, how much it wants, and the limit that it meets.
struct Bomb {
    kind: &'static str,
    most: u64,
    limit: fn(Limits, Option<u64>) -> Limits,
    at: u64,
    ends: End,
}

/// What a limit does to a plugin.
enum End {
    /// It gets less than this, and lives.
    Less(u64),
    /// It is ended; the reason says so.
    Reason(&'static str),
}

const BOMBS: [Bomb; 5] = [
    Bomb {
        kind: "descriptors",
        most: 400,
        limit: Limits::with_open_files,
        at: 64,
        ends: End::Less(64),
    },
    Bomb {
        kind: "disk",
        most: 16,
        limit: Limits::with_file_bytes,
        at: 4 * MIB,
        ends: End::Reason("beyond its limit of bytes in one file"),
    },
    Bomb {
        kind: "memory",
        most: 512,
        limit: Limits::with_memory,
        at: 128 * MIB,
        ends: End::Reason("memory allocation of"),
    },
    Bomb {
        kind: "processes",
        most: 100,
        limit: Limits::with_processes,
        at: 32,
        ends: End::Less(32),
    },
    Bomb {
        kind: "spin",
        most: 200_000,
        limit: Limits::with_cpu_seconds,
        at: 1,
        ends: End::Reason("beyond its limit of CPU time"),
    },
];

/// Lets a bomb go off; returns what became of it, and how long calls of another plugin took before
/// and meanwhile.
async fn explode(host: &TestHost, kind: &str, most: u64) -> (Result<Value, String>, [Times; 2]) {
    let view = host.view();
    let quiet = paced(&view, "good/echo", 100, &AtomicBool::new(true)).await;
    let is_over = AtomicBool::new(false);
    let bomb = async {
        let options = CallOptions::new().within(CEILING * 4);
        let arguments = json!({ "kind": kind, "most": most });
        let outcome = view.call_with(options, "bomb/bomb", &arguments).await;
        is_over.store(true, Ordering::Relaxed);
        match outcome {
            Ok(keyway_host::Outcome::Done(output)) => Ok(output.to_value()),
            Ok(waits) => panic!("{waits:?}"),
            Err(error) => Err(error.code().to_owned()),
        }
    };
    let (outcome, loud) = tokio::join!(bomb, paced(&view, "good/echo", 50, &is_over));
    (outcome, [quiet, loud])
}

/// Whether this machine can bound how many processes a plugin has; for an administrator not all
/// can, and the level says so.
fn counts_processes() -> bool {
    let expected = Jail::new().expected();
    !expected.missing().contains(&Missing::ProcessCount)
}

fn host_of(bomb: &Bomb, limit: Option<u64>) -> Site {
    let limits = (bomb.limit)(Limits::default(), limit);
    Site::with(quick().with_limits(limits))
        .stress("bomb", &[])
        .stress("good", &[])
}

#[tokio::test]
async fn s_b8_each_bomb_stops_at_its_limit_and_other_plugins_answer() {
    for bomb in &BOMBS {
        let (kind, site) = (bomb.kind, host_of(bomb, Some(bomb.at)));
        let host = running(&site).await;
        let (outcome, [quiet, loud]) = explode(&host, kind, bomb.most).await;
        let (before, meanwhile) = (quiet.at(99), loud.at(99));
        println!("{kind}: p99 of another plugin {before:?}, meanwhile {meanwhile:?}");
        // The mark is three times; the margin is for a machine of few processors that does other things.
        assert!(meanwhile < before * 20 + Duration::from_secs(20), "{kind}");
        match (&bomb.ends, outcome) {
            (End::Less(most), Ok(got)) => {
                let is_held = got.as_u64().unwrap() < *most;
                assert!(
                    is_held || kind == "processes" && !counts_processes(),
                    "{kind}: {got}"
                );
            }
            (End::Reason(words), Err(code)) => {
                assert_eq!(code, "PLUGIN_GONE", "{kind}");
                let told = || failures_in_trail(&host, "bomb").concat();
                eventually("the reason is told", || !told().is_empty()).await;
                assert!(told().contains(words), "{kind}: {}", told());
            }
            (_, outcome) => panic!("{kind}: {outcome:?}"),
        }
        assert!(failures_in_trail(&host, "good").is_empty(), "{kind}");
        host.host().shutdown().await;
        let left = || processes("sleep\x004713").is_empty();
        eventually("none of its processes is left", left).await;
    }
}

#[tokio::test]
async fn s_b8_control_without_its_limit_each_bomb_gets_all_that_it_wants() {
    for bomb in &BOMBS {
        let (kind, site) = (bomb.kind, host_of(bomb, None));
        let host = running(&site).await;
        // Of the processor more than the second at which the limit stands above.
        let most = match kind {
            "spin" => 3_000,
            _ => bomb.most,
        };
        let (outcome, _) = explode(&host, kind, most).await;
        assert_eq!(outcome, Ok(json!(most)), "{kind}");
        host.host().shutdown().await;
    }
}
