//! The program as a person starts it, with the scripted model.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use keyway_host::clock::{Clock, SystemClock};

use super::bench::{Bench, Run};
use crate::support::binary;

const NOTE: &str = "repo/notes/first-impression.md";
const TO_ALLOW: &str = "keyway plugin approve repo-tools --grant filesystem:write:./notes";

#[test]
fn help_says_what_it_does_and_where_it_writes() {
    let output = Command::new(binary("quickstart")).arg("--help").output();
    let run = Run::of(output.unwrap());
    run.succeeded();
    for word in ["--dir", "--repo", "--ask", "OPENAI_BASE_URL", ".keyway"] {
        run.shows(word);
    }
}

#[test]
fn a_wrong_option_is_refused_with_the_right_ones() {
    let output = Command::new(binary("quickstart")).arg("--fast").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let run = Run::of(output);
    assert!(
        run.stderr.contains("--fast") && run.stderr.contains("--ask"),
        "{run}"
    );
}

#[test]
fn the_whole_story_is_told() {
    let bench = Bench::new();
    let run = bench.run();
    run.succeeded();
    for part in [
        "repo-tools 0.1.0",
        "linked into this program",
        "text-tools 0.1.0",
        "packaged in a folder",
        "filesystem:read:.",
        "filesystem:write:./notes",
        "4 files, 16 lines",
        "repo-tools/write_note",
        "denied",
        TO_ALLOW,
        "A permit for a call is made in crates/gate.rs",
        "The README has 2 headings and 9 words",
        "Reloaded text-tools",
        "the agent sees 4 tools, 6 before",
        "REVOKED",
        "the chain is intact",
        "plugin list",
    ] {
        run.shows(part);
    }
    assert!(!bench.path(NOTE).exists());
}

#[test]
fn it_works_on_this_repository_well_within_a_minute() {
    let place = tempfile::TempDir::new().unwrap();
    let clock = SystemClock::new();
    // The build is not part of the minute.
    let program = binary("quickstart");
    let began = clock.now_ms();
    let output = Command::new(program)
        .env_clear()
        .current_dir(&place)
        .output();
    let run = Run::of(output.unwrap());
    run.succeeded();
    run.shows("A permit for a call is made in crates/host/src/gate/");
    assert!(clock.now_ms() - began < 60_000, "{run}");
    assert!(place.path().join(".keyway").is_dir(), "{run}");
}

#[test]
fn what_it_leaves_behind_is_shown_by_keyway() {
    let bench = Bench::new();
    bench.run().succeeded();
    for (arguments, words) in [
        (&["plugin", "list"][..], &["repo-tools", "text-tools"][..]),
        (
            &["plugin", "info", "repo-tools"],
            &["0.1.0", "filesystem:read:."],
        ),
        (&["audit"], &["text-tools", "filesystem:write:./notes"]),
        (&["audit", "verify"], &[]),
        (&["audit", "replay"], &[]),
    ] {
        let run = keyway(&bench, arguments);
        run.succeeded();
        for word in words {
            run.shows(word);
        }
    }
}

#[track_caller]
fn keyway(bench: &Bench, arguments: &[&str]) -> Run {
    let mut keyway = Command::new(binary("keyway"));
    keyway.env_clear().current_dir(bench.path(""));
    keyway.arg("--dir").arg(bench.state()).args(arguments);
    Run::of(keyway.output().unwrap())
}

#[test]
fn it_can_be_run_again_and_empties_only_what_it_made() {
    let bench = Bench::new();
    bench.run().succeeded();
    let again = bench.run();
    again.succeeded();
    again.shows("an earlier run made it");
    again.shows("the agent sees 4 tools, 6 before");

    let bench = Bench::new();
    bench.file("state/plugins.json", "precious");
    let run = bench.run();
    assert!(!run.success, "{run}");
    assert!(run.stderr.contains("--dir"), "{run}");
    assert_eq!(
        fs::read_to_string(bench.path("state/plugins.json")).unwrap(),
        "precious"
    );
}

#[test]
fn a_state_folder_that_somebody_uses_by_now_is_not_emptied() {
    let bench = Bench::new();
    bench.run().succeeded();
    let mine = r#"{ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": "mine", "version": "1.0.0", "description": "Mine." }"#;
    bench.file("mine/plugin.json", mine);
    keyway(&bench, &["plugin", "install", "./mine"]).succeeded();
    let run = bench.run();
    assert!(!run.success && run.stderr.contains("holds mine"), "{run}");
    keyway(&bench, &["plugin", "info", "mine"]).succeeded();
}

#[test]
fn the_command_in_the_denial_gives_the_grant() {
    let bench = Bench::new();
    let run = bench.run();
    let (_, command) = run.stdout.split_once("to allow  keyway ").unwrap();
    let words: Vec<&str> = command.lines().next().unwrap().split(' ').collect();
    let missing = "filesystem:write:./notes [optional, granted]";
    let before = keyway(&bench, &["plugin", "info", "repo-tools"]);
    assert!(!before.stdout.contains(missing), "{before}");
    keyway(&bench, &words).succeeded();
    keyway(&bench, &["plugin", "info", "repo-tools"]).shows(missing);
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_the_state_folder_is_not_followed() {
    let bench = Bench::new();
    bench.run().succeeded();
    // A folder with the marker in it, reached through a link: emptying it would be emptying
    // something under another name than the one that was given.
    fs::rename(bench.state(), bench.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(bench.path("elsewhere"), bench.state()).unwrap();
    let run = bench.run();
    assert!(!run.success, "{run}");
    assert!(bench.path("elsewhere/plugins.json").exists());
}

#[test]
fn a_person_at_the_terminal_decides() {
    let (yes, bench) = asked("y\na\n");
    yes.succeeded();
    yes.shows("I kept this as a note.");
    let note = fs::read_to_string(bench.path(NOTE)).unwrap();
    assert!(note.contains("4 files hold 16 lines"), "{note}");

    let (required, bench) = asked("y\ny\n");
    required.shows(TO_ALLOW);
    assert!(!bench.path(NOTE).exists());

    for silence in ["n\nn\n", "", "a"] {
        let (no, _) = asked(&silence.replace('a', "maybe"));
        no.succeeded();
        no.shows("UNKNOWN_TOOL");
        assert!(!no.stdout.contains("4 files"), "{no}");
    }
}

#[track_caller]
fn asked(answers: &str) -> (Run, Bench) {
    let bench = Bench::new();
    let mut command = bench.command();
    command.arg("--ask").stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(answers.as_bytes())
        .unwrap();
    (Run::of(child.wait_with_output().unwrap()), bench)
}

#[test]
fn a_repository_that_is_not_there_is_said() {
    let bench = Bench::new();
    let mut command = bench.command();
    let output = command.arg("--repo").arg(Path::new("nowhere")).output();
    let run = Run::of(output.unwrap());
    assert!(!run.success);
    assert!(
        run.stderr.contains("nowhere") && run.stderr.contains("--repo"),
        "{run}"
    );
}
