//! From nothing to a called plugin in a process of its own: what `keyway new` writes for each
//! language, as its README says to use it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::author_kit::{cargo, offline_in_our_target, root};
use super::bench::{Bench, Ran};

/// Runs `keyway dev FOLDER` with these lines on standard input, and `build` where there is one.
#[track_caller]
fn dev(bench: &Bench, folder: &str, lines: &str, build: &[&str]) -> String {
    let mut arguments = vec!["dev", folder, "--until-eof"];
    if !build.is_empty() {
        arguments.push("--");
        arguments.extend(build);
    }
    let mut command = bench.command_of(arguments);
    offline_in_our_target(&mut command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    Ran::from(child.wait_with_output().unwrap()).succeeded().out
}

/// Checks, approves and calls a new plugin by the lines of its README, in its folder.
#[track_caller]
fn checked_approved_and_called(bench: &Bench, name: &str) {
    let folder = bench.path(name);
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let tool = format!("{name}/greet");
    let steps: [&[&str]; 3] = [
        &["check", "."],
        &["plugin", "install", ".", "--approve"],
        &["tool", "call", &tool, r#"{"name": "Ada"}"#],
    ];
    for step in steps {
        let quoted = |word: &&str| match word.starts_with('{') {
            true => format!("'{word}'"),
            false => (*word).to_owned(),
        };
        let line = step.iter().map(quoted).collect::<Vec<_>>().join(" ");
        assert!(
            readme.contains(&format!("keyway {line}")),
            "{line}:\n{readme}"
        );
        let output = bench
            .command_of(step)
            .current_dir(&folder)
            .output()
            .unwrap();
        let ran = Ran::from(output).succeeded();
        match step[0] {
            "check" => assert!(
                ran.out.starts_with(&format!("{name} 0.1.0: no problems")),
                "{ran:#?}"
            ),
            "tool" => assert_eq!(ran.out, "Hello Ada!\n", "{ran:#?}"),
            _ => {}
        }
    }
    let list = ["tool", "list", "--json"];
    let listed = bench
        .command_of(list)
        .current_dir(&folder)
        .output()
        .unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["plugins"][0]["status"], "running", "{listed:#}");
}

#[test]
fn a_new_script_runs_is_checked_approved_and_called() {
    let bench = Bench::new();
    for language in ["python", "node"] {
        let name = format!("greet-{language}");
        bench.ok(&format!("new {name} --language {language}"));
        let said = dev(&bench, &name, "greet {\"name\": \"Ada\"}\n", &[]);
        assert!(said.contains(&format!("{name} runs (enforced)")), "{said}");
        assert!(said.ends_with("Hello Ada!\n"), "{said}");
        checked_approved_and_called(&bench, &name);
    }
}

#[test]
fn a_change_does_not_run_before_an_operator_takes_it_in() {
    let bench = Bench::new();
    bench.ok("new greeter --language python");
    bench.ok("plugin install ./greeter --approve");
    let call = || {
        let call = ["tool", "call", "greeter/greet", r#"{"name": "Ada"}"#];
        let output = bench.command_of(call).output().unwrap();
        Ran::from(output).succeeded().out
    };
    assert_eq!(call(), "Hello Ada!\n");
    let script = bench.path("greeter/package/plugin.py");
    let text = fs::read_to_string(&script).unwrap();
    fs::write(&script, text.replace("Hello {", "Goodbye {")).unwrap();
    assert_eq!(call(), "Hello Ada!\n");
    bench.ok("plugin reload greeter");
    assert_eq!(call(), "Goodbye Ada!\n");
}

/// Replaces what the tool of a new plugin returns.
#[track_caller]
fn returning(bench: &Bench, name: &str, language: &str, returned: &str) {
    bench.ok(&format!("new {name} --language {language}"));
    let (file, from) = match language {
        "python" => (
            "plugin.py",
            r#"{"kind": "text", "text": f"Hello {text_of(arguments, 'name')}!"}"#,
        ),
        _ => ("plugin.mjs", "({ kind: \"text\", text: `Hello ${name}!` })"),
    };
    let script = bench.path(name).join("package").join(file);
    let text = fs::read_to_string(&script).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&script, text.replace(from, returned)).unwrap();
}

#[test]
fn a_tool_that_returns_what_is_no_output_is_told_so() {
    let bench = Bench::new();
    for (number, (language, returned, expected)) in [
        ("python", "'hello'", r#"a tool returns {"kind": "text""#),
        (
            "python",
            "{'kind': 'json', 'value': {1, 2}}",
            "not JSON serializable",
        ),
        ("python", "sys.exit(3)", "SystemExit: 3"),
        ("node", "'hello'", r#"a tool returns { kind: "text""#),
        ("node", "undefined", r#"a tool returns { kind: "text""#),
        ("node", "({ kind: 'json', value: 1n })", "BigInt"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("wrong-{number}");
        returning(&bench, &name, language, returned);
        bench.ok(&format!("plugin install ./{name} --approve"));
        let tool = format!("{name}/greet");
        let output = bench
            .command_of(["tool", "call", &tool, r#"{"name": "Ada"}"#])
            .output();
        let said = String::from_utf8(output.unwrap().stderr).unwrap();
        assert!(said.contains(expected), "{language} {returned}: {said}");
    }
}

#[test]
fn a_new_program_passes_its_tests_is_built_approved_and_called() {
    let bench = Bench::new();
    let root = root();
    bench.ok(&format!(
        "new weather-process --runtime process --keyway-path {}",
        root.display()
    ));
    let folder = bench.path("weather-process");
    let output = cargo(&folder, &["test"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("test result: ok. 2 passed"), "{said}");
    assert!(!complained.contains("warning"), "{complained}");
    // As in the README, but for the profile and the network.
    let build = [env!("CARGO"), "pack", "--debug", "--offline"];
    let said = dev(
        &bench,
        "weather-process",
        "greet {\"name\": \"Ada\"}\n",
        &build,
    );
    assert!(said.contains("weather-process runs (enforced)"), "{said}");
    assert!(said.ends_with("Hello Ada!\n"), "{said}");
    // What is handed on is the manifest and the program, and nothing of the build.
    assert_eq!(
        files_of(&folder.join("package")),
        ["bin/weather-process", "plugin.json"]
    );
    checked_approved_and_called(&bench, "weather-process");
    // Started by hand it says what it is.
    let by_hand = Command::new(folder.join("package/bin/weather-process"))
        .output()
        .unwrap();
    assert_eq!(by_hand.status.code(), Some(2), "{by_hand:?}");
}

fn files_of(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path.strip_prefix(folder).unwrap().display().to_string()),
            }
        }
    }
    files.sort();
    files
}

/// Returns the part of a script that is the protocol: between the two lines of dashes.
#[track_caller]
fn protocol(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("--- the protocol ---").unwrap();
    let (protocol, _) = rest.split_once("--- the plugin ---").unwrap();
    assert!(protocol.len() > 1000, "{}", path.display());
    protocol.to_owned()
}

#[test]
fn a_new_script_speaks_the_protocol_as_the_examples_that_the_conformance_kit_holds_to_it() {
    let bench = Bench::new();
    let examples = root().join("examples/plugins");
    for (language, file, example) in [
        ("python", "plugin.py", "python-notes"),
        ("node", "plugin.mjs", "node-text"),
    ] {
        bench.ok(&format!("new its-{language} --language {language}"));
        let ours = protocol(&bench.path(format!("its-{language}/package")).join(file));
        assert_eq!(
            ours,
            protocol(&examples.join(example).join(file)),
            "{language}"
        );
    }
}

#[test]
fn only_rust_can_be_linked() {
    let bench = Bench::new();
    let said = bench.fails("new x --language python --runtime linked", "NOT_LINKABLE");
    assert!(said.contains("leave --runtime out"), "{said}");
    assert!(!bench.path("x").exists());
    // Control: the same without the wish.
    bench.ok("new x --language python");
    assert!(bench.path("x/package/plugin.json").is_file());
}

#[test]
fn a_folder_with_a_manifest_of_its_own_is_not_passed_over_for_the_one_inside() {
    let bench = Bench::new();
    bench.ok("new inner --language python --dir both");
    let mine = super::bench::manifest("outer", "1.0.0", &json!({}));
    fs::write(bench.path("both/plugin.json"), mine.to_string()).unwrap();
    assert_eq!(bench.json("check both")["name"], "outer");
    fs::remove_file(bench.path("both/plugin.json")).unwrap();
    assert_eq!(bench.json("check both")["name"], "inner");
}

#[test]
fn the_page_for_authors_says_what_these_tests_run() {
    let page = fs::read_to_string(root().join("docs/authoring.md")).unwrap();
    assert!(page.lines().count() < 200, "the page outgrew a page");
    let bench = Bench::new();
    let mut known = "cd weather-tools\n".to_owned();
    for how in ["--language python", "--runtime process"] {
        let line = format!("new weather-tools {how}");
        bench.ok(&line);
        let folder = bench.path("weather-tools");
        known += &format!("keyway {line}\n");
        known += &fs::read_to_string(folder.join("README.md")).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
    for line in blocks(&page, "sh").iter().flat_map(|block| block.lines()) {
        let is_known = |other: &str| other.split("  ").next() == Some(line);
        assert!(known.lines().any(is_known), "{line}");
    }
    let notes = root().join("examples/plugins/python-notes/plugin.py");
    let notes = fs::read_to_string(notes).unwrap();
    for block in blocks(&page, "python") {
        assert!(notes.contains(&block), "{block}");
    }
}

/// Returns the blocks of code in one language.
#[track_caller]
fn blocks(page: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let found = page.split(&begin).skip(1);
    let blocks: Vec<_> = found
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect();
    assert!(!blocks.is_empty(), "there is no block of {language}");
    blocks
}
