//! Settings are held to the manifest's schema when they are set, not when the plugin starts.

use keyway_host::catalog::Operation;
use serde_json::{Value, json};

use super::support::{Desk, Draft, id, operator, plugin, revoke};

fn weather() -> Draft {
    let schema = json!({
        "type": "object",
        "properties": {
            "units": { "enum": ["metric", "imperial"] },
            "days": { "type": "integer", "minimum": 1 }
        },
        "additionalProperties": false
    });
    plugin("weather").runs().with("settings", schema)
}

fn configure(name: &str, settings: &Value) -> Operation {
    Operation::Configure {
        plugin: id(name),
        settings: settings.as_object().unwrap().clone(),
        by: operator(),
    }
}

#[test]
fn settings_that_fit_restart_what_runs_and_nothing_else() {
    let mut desk = Desk::with(&[weather()]);
    let plan = desk.run(&configure("weather", &json!({"units": "metric"})));
    assert_eq!(plan.result().message, "Configured weather.");
    assert_eq!(
        (plan.starts(), plan.stops()),
        (&[id("weather")][..], &[id("weather")][..])
    );
    assert_eq!(
        json!(desk.entry("weather").keyway.settings),
        json!({"units": "metric"})
    );

    let again = desk.run(&configure("weather", &json!({"units": "metric"})));
    assert!(!again.changes_anything() && again.starts().is_empty());

    let reset = desk.run(&configure("weather", &json!({})));
    assert_eq!(reset.starts(), [id("weather")]);
    assert!(desk.entry("weather").keyway.settings.is_empty());
    assert!(
        !json!(desk.entry("weather"))
            .to_string()
            .contains("settings\":{}")
    );

    let mut waiting = Desk::new();
    waiting.run(&weather().install());
    let plan = waiting.run(&configure("weather", &json!({"days": 3})));
    assert!(plan.starts().is_empty() && plan.stops().is_empty());
}

#[test]
fn settings_that_do_not_fit_are_refused_and_nothing_changes() {
    let mut desk = Desk::with(&[weather(), plugin("plain")]);
    let large = "x".repeat(70_000);
    let table = [
        (
            "weather",
            json!({"units": "kelvin"}),
            "SETTINGS_INVALID",
            "/units",
        ),
        ("weather", json!({"days": 0}), "SETTINGS_INVALID", "/days"),
        (
            "weather",
            json!({"color": "red"}),
            "SETTINGS_INVALID",
            "color",
        ),
        (
            "weather",
            json!({"units": large}),
            "LIMIT_EXCEEDED",
            "65536",
        ),
        ("plain", json!({"units": "metric"}), "NO_SETTINGS", "plain"),
        (
            "ghost",
            json!({"units": "metric"}),
            "PLUGIN_NOT_FOUND",
            "ghost",
        ),
    ];
    for (name, settings, code, says) in table {
        let error = desk.refused(&configure(name, &settings));
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(desk.entry("weather").keyway.settings.is_empty());
    desk.run(&revoke("weather"));
    let error = desk.refused(&configure("weather", &json!({"days": 1})));
    assert_eq!(error.code(), "REVOKED");
}

#[test]
fn a_new_version_keeps_what_operators_set() {
    let mut desk = Desk::with(&[weather()]);
    desk.run(&configure("weather", &json!({"days": 5})));
    desk.run(&weather().version("1.1.0").reload());
    let entry = desk.entry("weather");
    assert_eq!(entry.manifest.version.to_string(), "1.1.0");
    assert_eq!(json!(entry.keyway.settings), json!({"days": 5}));
}
