//! Plugins in other languages, confined: the example packages as they are.

use std::path::{Path, PathBuf};

use keyway_host::clock::{Clock as _, SystemClock};
use keyway_host::rank::Trust;
use keyway_plugin_api::PluginId;
use keyway_test_support::{FakeClock, ScriptedApprover, TestHost};
use serde_json::json;

use crate::support::{Site, generous};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plugins")
}

async fn host(site: &Site) -> TestHost {
    host_of(site, examples()).await
}

async fn host_of(site: &Site, packages: PathBuf) -> TestHost {
    let runtime = site.runtime();
    let host = TestHost::builder()
        .approver(ScriptedApprover::approving().granting(["state:65536"]))
        .clock(FakeClock::at(SystemClock::new().now_ms()))
        .configure(|host| {
            host.runtime(runtime)
                .limits(generous())
                .plugins_dir(packages, Trust::Community)
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

/// An example: its name, its script, where the layout before kept its entries, and where it does.
struct Example {
    name: &'static str,
    script: &'static str,
    layouts: [&'static str; 2],
}

const EXAMPLES: [Example; 2] = [
    Example {
        name: "python-notes",
        script: "plugin.py",
        layouts: ["note/", "notes/"],
    },
    Example {
        name: "node-text",
        script: "plugin.mjs",
        layouts: ["used/", "uses/"],
    },
];

impl Example {
    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(examples().join(self.name).join(name)).unwrap()
    }

    /// Writes the package as it is, with one thing said otherwise in its script.
    fn write(&self, site: &Site, [from, to]: [&str; 2]) {
        let script = self.file(self.script);
        assert!(script.contains(from), "{from}");
        site.packages.write(self.name, &self.file("plugin.json"));
        let script = script.replace(from, to);
        site.packages
            .write_file(self.name, self.script, script.as_bytes());
    }

    /// Writes the package as it was with the layout before.
    fn write_old(&self, site: &Site) {
        let [old, new] = self.layouts;
        self.write(site, [new, old]);
        let manifest = self.file("plugin.json");
        let before = manifest.replace(
            "\"owns\": true, \"version\": 2",
            "\"owns\": true, \"version\": 1",
        );
        assert_ne!(before, manifest);
        site.packages.write(self.name, &before);
    }

    fn id(&self) -> PluginId {
        PluginId::parse(self.name).unwrap()
    }
}

#[tokio::test]
async fn an_author_brings_the_state_to_a_new_layout_in_python_and_node() {
    for example in &EXAMPLES {
        let site = Site::new();
        example.write_old(&site);
        let host = host_of(&site, site.packages.path().to_owned()).await;
        let (tool, arguments, key) = match example.name {
            "python-notes" => ("add_note", json!({ "name": "milk", "text": "buy" }), "milk"),
            _ => ("sort_lines", json!({ "text": "b\na" }), "sort_lines"),
        };
        let tool = format!("{}/{tool}", example.name);
        host.call(&tool, arguments).await.unwrap();
        let state = |layout: &str| {
            host.effects()
                .state(&example.id(), &format!("{layout}{key}"))
        };
        let [old, new] = example.layouts;
        let stored = state(old).expect("the old version kept it where it did");

        // A migration that fails leaves everything as it was, with the author's words.
        example.write(&site, ["layout !", "layout ="]);
        let failed = host.host().reload(&example.id()).await.unwrap_err();
        assert!(
            failed.to_string().contains("knows nothing of layout 1"),
            "{failed}"
        );
        assert_eq!((state(old), state(new)), (Some(stored.clone()), None));

        example.write(&site, ["", ""]);
        host.host().reload(&example.id()).await.unwrap();
        assert_eq!((state(old), state(new)), (None, Some(stored)));
    }
}

/// The control of the test above: an author who gives no function keeps what there is.
#[tokio::test]
async fn without_a_function_of_the_author_the_state_stays_as_it_is() {
    for example in &EXAMPLES {
        let site = Site::new();
        example.write_old(&site);
        let host = host_of(&site, site.packages.path().to_owned()).await;
        let (key, id) = (format!("{}kept", example.layouts[0]), example.id());
        host.effects().put_state(&id, &key, b"1".to_vec());
        example.write(&site, ["], migrate)", "])"]);
        host.host().reload(&id).await.unwrap();
        assert_eq!(host.effects().state(&id, &key), Some(b"1".to_vec()));
    }
}
