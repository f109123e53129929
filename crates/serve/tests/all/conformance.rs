//! The conformance kit, run on plugins in three languages.

use std::path::Path;

use super::kit::{Launch, run};
use super::support::{example, probe};

#[track_caller]
fn passes(launch: &Launch) {
    let lines = run(launch).unwrap();
    assert!(lines.len() >= 29, "{} checks", lines.len());
    let failed: Vec<_> = lines.iter().filter(|line| line.verdict.is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_rust_plugin_conforms() {
    passes(&probe());
}

#[test]
fn the_python_plugin_conforms() {
    passes(&example("python-notes", "python3", "plugin.py"));
}

#[test]
fn the_node_plugin_conforms() {
    passes(&example("node-text", "node", "plugin.mjs"));
}

#[test]
fn a_program_that_is_no_plugin_fails_every_check_but_those_it_ends_in() {
    // Control: the kit can fail.
    let launch = Launch {
        command: "/bin/cat".to_owned(),
        args: vec!["plugin.json".to_owned()],
        package: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probe"),
    };
    let lines = run(&launch).unwrap();
    let failed = lines.iter().filter(|line| line.verdict.is_err()).count();
    assert!(failed > lines.len() / 2, "{failed} of {}", lines.len());
}
