//! Attack B9: every broken manifest there is, in one folder with good ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use keyway_host::PluginStatus;
use keyway_host::audit::AuditEvent;
use keyway_host::rank::Trust;
use keyway_plugin_api::{Manifest, ManifestError};
use keyway_test_support::{TempPackages, TestHost};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/manifests");
const GOOD: [&str; 3] = ["aa-first", "middle", "zz-last"];

fn good(name: &str) -> String {
    format!(
        r#"{{"$schema":"https://agent-plugins.org/schemas/1.0.0/plugin.schema.json","name":"{name}","version":"0.1.0"}}"#
    )
}

/// The fixtures whose manifest must be refused, with their bytes.
fn broken() -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(FIXTURES).unwrap();
    let read = |folder: PathBuf| {
        let bytes = fs::read(folder.join("plugin.json")).unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        Manifest::parse(&bytes).is_err().then_some((name, bytes))
    };
    let mut broken: Vec<_> = entries
        .filter_map(|entry| read(entry.unwrap().path()))
        .collect();
    broken.sort();
    assert!(broken.len() >= 20, "only {} are broken", broken.len());
    broken
}

fn folder(broken: &[(String, Vec<u8>)]) -> TempPackages {
    let packages = TempPackages::new();
    for name in GOOD {
        packages.write(name, &good(name));
    }
    for (name, bytes) in broken {
        packages.write_file(name, "plugin.json", bytes);
    }
    packages
}

#[tokio::test]
async fn s_b9_a_host_boots_past_every_broken_manifest_and_disables_just_those() {
    let broken = broken();
    let packages = folder(&broken);
    let host = TestHost::builder()
        .configure(|host| host.plugins_dir(packages.path(), Trust::Community))
        .start()
        .await;
    assert!(host.host().is_started());
    for name in GOOD {
        let outcome = host.report().plugin(name).unwrap();
        assert!(matches!(outcome.status, PluginStatus::Ready), "{outcome:?}");
    }
    let failed: BTreeSet<_> = host
        .report()
        .failures()
        .map(|o| o.plugin.to_string())
        .collect();
    let want: BTreeSet<_> = broken.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(failed, want, "exactly the broken ones");
    assert_eq!(host.report().plugins.len(), broken.len() + GOOD.len());
    for outcome in host.report().failures() {
        let PluginStatus::Failed { code, stage, .. } = &outcome.status else {
            panic!("{outcome:?}")
        };
        let want = ("MANIFEST_INVALID", "read");
        assert!((*code, stage.as_str()) == want, "{outcome:?}");
    }
    let events = host.audit_events();
    let recorded = events
        .iter()
        .filter(|e| matches!(e, AuditEvent::PluginFailed { stage, .. } if &**stage == "read"));
    assert_eq!(recorded.count(), broken.len(), "each is on the trail");
    assert_eq!(
        host.catalog().entries.len(),
        GOOD.len(),
        "nothing of a broken one is kept"
    );
}

/// A loader that stops at the first manifest it cannot read, as `?` in a loop does.
fn loads_all_or_nothing(folder: &Path) -> Result<Vec<Manifest>, ManifestError> {
    let mut folders: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    let mut loaded = Vec::new();
    for path in folders {
        let bytes = fs::read(path.join("plugin.json")).unwrap_or_default();
        loaded.push(Manifest::parse(&bytes)?.0);
    }
    Ok(loaded)
}

#[test]
fn s_b9_control_one_broken_manifest_stops_a_loader_that_gives_up_at_the_first() {
    for one in broken() {
        let packages = folder(std::slice::from_ref(&one));
        assert!(
            loads_all_or_nothing(packages.path()).is_err(),
            "{} stopped nothing",
            one.0
        );
    }
    assert_eq!(
        loads_all_or_nothing(folder(&[]).path()).unwrap().len(),
        GOOD.len()
    );
}
