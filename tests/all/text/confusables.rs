//! Attack F3: names that cannot be told apart.

use std::collections::{BTreeMap, BTreeSet};

use keyway_host::text::skeleton;
use keyway_plugin_api::{PluginId, ToolName};

/// What is drawn alike, in ASCII.
const CLASSES: &[&[&str]] = &[
    &["l", "1", "I", "i", "L"],
    &["o", "0", "O"],
    &["m", "rn", "M"],
    &["w", "vv", "W"],
    &["d", "cl", "c1", "D"],
    &["_", "-", "."],
    &["e", "E"],
    &["s", "S"],
    &["a", "A"],
];

const NAMES: [&str; 40] = [
    "read_file",
    "write_file",
    "list_directory",
    "send_mail",
    "github-tools",
    "web.search",
    "create_issue",
    "delete_branch",
    "download",
    "modern-world",
    "slack",
    "notion",
    "calendar",
    "memory_store",
    "model-router",
    "wallet",
    "windows",
    "command-line",
    "yield_mode",
    "cloud-drive",
    "old_world",
    "middleware",
    "wildcard_domain",
    "oldmill",
    "local_memory_model",
    "world_clock_widget",
    "download_manager",
    "model_command_runner",
    "windows-command-line",
    "workflow_scheduler",
    "medical_records_lookup",
    "cloud_storage_download",
    "email_calendar_sync",
    "middleware_controller",
    "wildcard_mailbox_search",
    "modern_world_model",
    "linear-issue-loader",
    "sandboxed_command_line",
    "multimodal_classifier",
    "word_document_editor",
];

/// Every name that differs from `name` by one or two substitutions.
fn look_alikes(name: &str) -> BTreeSet<String> {
    let once = substituted(name);
    let twice = once.iter().flat_map(|name| substituted(name));
    let mut all: BTreeSet<_> = once.iter().cloned().chain(twice).collect();
    all.remove(name);
    all
}

fn substituted(name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for class in CLASSES {
        for from in *class {
            for (at, _) in name.match_indices(from) {
                for to in class.iter().filter(|to| *to != from) {
                    found.insert(format!("{}{to}{}", &name[..at], &name[at + from.len()..]));
                }
            }
        }
    }
    found
}

#[test]
fn s_f3_names_that_look_alike_share_a_skeleton() {
    let mut pairs = 0;
    for name in NAMES {
        for other in look_alikes(name) {
            assert_eq!(skeleton(name), skeleton(&other), "{name} and {other}");
            pairs += 1;
        }
    }
    assert!(pairs >= 6_000, "{pairs} pairs");
}

/// The control: without the skeleton most of them would stand side by side.
#[test]
fn s_f3_control_the_alphabet_and_case_alone_let_look_alikes_coexist() {
    let coexist = |name: &str| {
        let valid = look_alikes(name)
            .into_iter()
            .filter(|n| ToolName::parse(n).is_ok());
        valid
            .map(|n| n.to_ascii_lowercase())
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert!(NAMES.iter().map(|name| coexist(name)).sum::<usize>() >= 3_000);
    for (id, other) in [
        ("github", "g1thub"),
        ("modern", "rnodern"),
        ("download", "down1oad"),
    ] {
        assert!(PluginId::parse(id).is_ok() && PluginId::parse(other).is_ok());
    }
}

#[test]
fn s_f3_letters_of_other_alphabets_are_seen_through() {
    let pairs = [
        ("read_file", "re\u{430}d_file"),
        ("read_file", "r\u{435}ad_f\u{456}le"),
        ("GitHub", "\u{50c}it\u{41d}ub"),
        ("Notion", "\u{39d}\u{3bf}ti\u{3bf}n"),
        ("Slack", "\u{ff33}\u{ff4c}\u{ff41}\u{ff43}\u{ff4b}"),
        ("web-search", "web\u{2013}search"),
        ("Mail", "M\u{200b}a\u{ad}il"),
        ("wallet", "\u{461}allet"),
        ("paypal", "\u{440}\u{430}\u{443}\u{440}\u{430}l"),
    ];
    for (name, other) in pairs {
        assert_eq!(skeleton(name), skeleton(other), "{name} and {other}");
    }
}

const ORDINARY: &str = "\
    read write list lists search get set delete create update fetch send open close start stop \
    run exec query insert select upload download copy move rename read_file read_files \
    write_file file_read list_files list_file get_file_info search_files search_code \
    search_issues create_issue close_issue list_issues get_issue add_comment list_commits \
    get_commit create_branch delete_branch merge push pull fork clone diff log show status add \
    commit reset checkout init tag blame github gitlab gitea git slack discord teams notion \
    linear jira trello asana gmail email mail calendar drive docs sheets slides postgres mysql \
    sqlite redis mongo memory time weather maps browser puppeteer playwright filesystem fs \
    shell bash python node docker kubernetes aws gcp azure openai anthropic gemini llama \
    mistral ollama stripe paypal shopify sentry datadog grafana s3 v1 v2 base32 base64 a b c x \
    y z";

#[test]
fn s_f3_ordinary_names_stay_apart() {
    let mut seen = BTreeMap::new();
    for name in ORDINARY.split(' ') {
        if let Some(other) = seen.insert(skeleton(name), name) {
            panic!("{name} and {other} share a skeleton");
        }
    }
    assert!(seen.len() > 100);
}
