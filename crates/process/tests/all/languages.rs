//! Plugins in other languages, confined: the example packages as they are.

use std::path::{Path, PathBuf};

use keyway_host::clock::{Clock as _, SystemClock};
use keyway_host::rank::Trust;
use keyway_test_support::{FakeClock, ScriptedApprover, TestHost};
use serde_json::json;

use crate::support::Site;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plugins")
}

async fn host(site: &Site) -> TestHost {
    let runtime = site.runtime();
    let host = TestHost::builder()
        .approver(ScriptedApprover::approving().granting(["state:65536"]))
        .clock(FakeClock::at(SystemClock::new().now_ms()))
        .configure(|host| {
            host.runtime(runtime)
                .plugins_dir(examples(), Trust::Community)
        })
        .start()
        .await;
    let failed: Vec<_> = host.report().failures().collect();
    assert!(failed.is_empty(), "{failed:#?}");
    host
}

#[tokio::test]
async fn python_and_node_plugins_run_enforced_and_keep_state_through_the_host() {
    let site = Site::new();
    let host = host(&site).await;
    for plugin in ["python-notes", "node-text"] {
        let status = &host.report().plugin(plugin).unwrap().status;
        let keyway_host::PluginStatus::Running { enforcement, .. } = status else {
            panic!("{plugin}: {status:?}");
        };
        assert_eq!(enforcement.to_string(), "enforced", "{plugin}");
    }
    let counted = host
        .call("node-text/count_words", json!({ "text": "one two three" }))
        .await;
    assert!(counted.unwrap().to_string().contains('3'));
    let note = json!({ "name": "milk", "text": "buy some" });
    let added = host.call("python-notes/add_note", note).await;
    assert!(added.is_ok(), "{added:?}");
    let found = host
        .call("python-notes/find_notes", json!({ "words": "milk" }))
        .await;
    assert!(found.is_ok(), "{found:?}");
}

#[tokio::test]
async fn an_interpreted_plugin_that_is_killed_comes_back_with_its_state() {
    let site = Site::new();
    let host = host(&site).await;
    let mut notices = host.host().notices();
    let note = json!({ "name": "milk", "text": "buy some" });
    host.call("python-notes/add_note", note).await.unwrap();
    let store = site.store().to_string_lossy().into_owned();
    let own = crate::support::processes("plugin.py")
        .into_iter()
        .filter(|path| {
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&store)
        });
    let pid = crate::support::highest(&own.collect::<Vec<_>>()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    crate::support::notice(&mut notices, "runs again").await;
    let found = host
        .call("python-notes/find_notes", json!({ "words": "milk" }))
        .await
        .unwrap();
    assert!(found.to_string().contains("milk"), "{found}");
}
