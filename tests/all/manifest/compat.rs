//! API compatibility: both numbers, and who must upgrade.

use keyway_plugin_api::{check_api, plugin_api_version};
use semver::Version;

fn versions(offered: &[&str]) -> Vec<Version> {
    offered.iter().map(|v| v.parse().unwrap()).collect()
}

#[test]
fn newest_common_version_is_chosen() {
    for (required, offered, chosen) in [
        (">=0.1, <0.2", &["0.1.0"][..], "0.1.0"),
        (">=0.1, <0.2", &["0.1.3-rc.1"], "0.1.3"),
        (">=0.1, <0.3", &["0.1.0", "0.2.4", "0.3.0"], "0.2.4"),
        ("^1", &["2.0.0", "1.9.0"], "1.9.0"),
    ] {
        let found = check_api(&required.parse().unwrap(), &versions(offered)).unwrap();
        assert_eq!(found.to_string(), chosen, "{required} {offered:?}");
    }
}

#[test]
fn refusal_names_both_numbers_and_who_must_upgrade() {
    for (required, offered, text) in [
        (
            ">=0.2, <0.3",
            &["0.1.0"][..],
            "the plugin needs plugin API >=0.2, <0.3, the host offers 0.1.0: upgrade the host to \
             plugin API >=0.2, <0.3",
        ),
        (
            ">=0.1, <0.2",
            &["1.0.0", "0.2.0"],
            "the plugin needs plugin API >=0.1, <0.2, the host offers 0.2.0, 1.0.0: upgrade the \
             plugin to a version for plugin API 1.0.0",
        ),
        (
            ">=0.2, <0.1",
            &["0.2.0"],
            "the plugin needs plugin API >=0.2, <0.1, the host offers 0.2.0: upgrade the plugin \
             to a version for plugin API 0.2.0",
        ),
        (
            "^1",
            &[],
            "the plugin needs plugin API ^1, the host offers none: use a host that offers a \
             plugin API",
        ),
    ] {
        let error = check_api(&required.parse().unwrap(), &versions(offered)).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(error.code(), "API_INCOMPATIBLE");
        assert_eq!(error.hints().len(), 1);
    }
}

#[test]
fn this_crate_offers_its_own_version() {
    let version = plugin_api_version();
    assert_eq!(
        version.to_string(),
        env!("CARGO_PKG_VERSION"),
        "one workspace version"
    );
    assert!(check_api(&">=0.1, <0.2".parse().unwrap(), &[version]).is_ok());
}
