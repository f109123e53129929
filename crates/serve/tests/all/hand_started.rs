//! The program without a host.

use std::process::{Command, Output};

use serde_json::Value;

fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keyway-serve-probe"))
        .args(args)
        .env_remove("KEYWAY_CHANNEL")
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn started_by_hand_it_says_what_it_is_and_how_to_install_it() {
    let output = run(&[], &[]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    for piece in [
        "probe 1.2.3 is a keyway plugin",
        "keyway plugin install FOLDER",
        "--describe",
    ] {
        assert!(text.contains(piece), "{text}");
    }
    assert_eq!(run(&["--version"], &[]).status.code(), Some(2));
}

#[test]
fn it_describes_itself_without_a_channel() {
    let output = run(&["--describe"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let described: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(described["id"], "probe");
    assert_eq!(described["version"], "1.2.3");
    assert_eq!(described["api"], ">=0.1, <0.2");
    assert_eq!(described["tools"].as_array().unwrap().len(), 8);
    assert_eq!(described["tools"][4]["name"], "echo");
    assert_eq!(described["hooks"][0]["point"], "pre_tool_call");
}

#[test]
fn a_channel_that_is_named_and_not_there_is_said() {
    for (env, reason) in [
        (
            vec![("KEYWAY_CHANNEL", "tcp:9")],
            "is not `fd:` and a number",
        ),
        (vec![("KEYWAY_CHANNEL", "fd:3")], "KEYWAY_SECRET_FD"),
        (
            vec![("KEYWAY_CHANNEL", "fd:0"), ("KEYWAY_SECRET_FD", "4")],
            "descriptor 0 is none of 3 to 63",
        ),
        (
            vec![("KEYWAY_CHANNEL", "fd:63"), ("KEYWAY_SECRET_FD", "4")],
            "descriptor 63:",
        ),
    ] {
        let output = run(&[], &env);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(reason), "{text}");
    }
}
