//! Plugin logs: scrubbed, printable, bounded.

use std::fs;
use std::sync::Arc;

use keyway_effects::EffectLimits;
use keyway_effects::log::PluginLog;
use keyway_host::audit::Redactor;
use keyway_host::clock::ManualClock;
use keyway_plugin_api::{LogLevel, SecretValue};

use super::plugin;

fn log(limits: EffectLimits) -> (tempfile::TempDir, PluginLog, Redactor) {
    let folder = tempfile::tempdir().unwrap();
    let redactor = Redactor::new();
    let clock = Arc::new(ManualClock::at(1_000));
    let log = PluginLog::open(folder.path(), clock, redactor.clone(), limits).unwrap();
    (folder, log, redactor)
}

#[test]
fn lines_come_back_in_order_each_plugins_its_own() {
    let (_folder, log, _) = log(EffectLimits::default());
    for n in 0..5 {
        log.write(&plugin("a"), LogLevel::Info, &format!("line {n}"))
            .unwrap();
    }
    log.write(&plugin("b"), LogLevel::Error, "other").unwrap();
    let last = log.tail(&plugin("a"), 2).unwrap();
    assert_eq!(
        last.iter().map(|l| l.message.as_str()).collect::<Vec<_>>(),
        ["line 3", "line 4"]
    );
    assert_eq!((last[0].at_ms, last[0].level), (1_000, LogLevel::Info));
    assert_eq!(log.tail(&plugin("a"), 99).unwrap().len(), 5);
    assert!(log.tail(&plugin("c"), 9).unwrap().is_empty());
    log.remove(&plugin("a")).unwrap();
    assert!(log.tail(&plugin("a"), 9).unwrap().is_empty());
    log.write(&plugin("a"), LogLevel::Info, "again").unwrap();
    assert_eq!(log.tail(&plugin("a"), 9).unwrap().len(), 1);
}

#[test]
fn s_f6_s_i1_neither_controls_nor_secrets_reach_the_file() {
    let (folder, log, redactor) = log(EffectLimits::default());
    redactor.learn(&SecretValue::new("hunter2-canary"));
    let nasty = [
        "\u{1b}[2J\u{1b}]52;c;cm0=\u{7}",
        "\u{9b}31m\u{90}x",
        "x\n{\"level\":\"error\",\"atMs\":1,\"message\":\"forged\"}\r",
        "\u{202e}\u{e0041}\0\u{7f}",
        "token=hunter2-canary",
        "aHVudGVyMi1jYW5hcnk=",
        "68756e746572322d63616e617279",
    ];
    for text in nasty {
        log.write(&plugin("a"), LogLevel::Warn, text).unwrap();
    }
    let written = fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
    assert_eq!(written.lines().count(), nasty.len());
    assert!(
        !written
            .chars()
            .any(|c| c != '\n' && keyway_host::text::is_unsafe(c))
    );
    for part in ["hunter2", "aHVudGVy", "68756e74"] {
        assert!(!written.contains(part), "{part}");
    }
    assert_eq!(log.tail(&plugin("a"), 99).unwrap().len(), nasty.len());
}

/// The control: as the plugin sent them, the texts carry controls and the secret.
#[test]
fn s_f6_control_written_as_they_are_lines_forge_and_act() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(
        &path,
        "\u{1b}[2J\nx\n{\"message\":\"forged\"}\ntoken=hunter2-canary\n",
    )
    .unwrap();
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written.lines().count(), 4);
    assert!(written.contains('\u{1b}') && written.contains("hunter2-canary"));
}

#[test]
fn a_secret_at_the_cut_is_scrubbed_before_the_cut() {
    let limits = EffectLimits {
        log_text_bytes: 20,
        ..EffectLimits::default()
    };
    let (_folder, log, redactor) = log(limits);
    redactor.learn(&SecretValue::new("hunter2-canary"));
    log.write(
        &plugin("a"),
        LogLevel::Info,
        "0123456789hunter2-canary-and-more-of-it",
    )
    .unwrap();
    log.write(&plugin("a"), LogLevel::Info, &"ä".repeat(50))
        .unwrap();
    let lines = log.tail(&plugin("a"), 2).unwrap();
    assert_eq!(lines[0].message, "0123456789[redacted]… (cut)");
    assert_eq!(lines[1].message, format!("{}… (cut)", "ä".repeat(10)));
}

#[test]
fn s_b7_a_flood_keeps_two_files_and_the_newest_lines() {
    let limits = EffectLimits {
        log_file_bytes: 10_000,
        ..EffectLimits::default()
    };
    let (folder, log, _) = log(limits);
    for n in 0..2_000 {
        log.write(&plugin("a"), LogLevel::Debug, &format!("line {n}"))
            .unwrap();
    }
    let bytes: u64 = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= 20_000, "{bytes}");
    let last = log.tail(&plugin("a"), 200).unwrap();
    assert_eq!(last.len(), 200);
    assert_eq!(last[199].message, "line 1999");
    assert_eq!(last[0].message, "line 1800");
}
