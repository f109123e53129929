//! The recorded lines: read, written again, and complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use keyway_channel::ChannelLimits;
use keyway_channel::handshake::{HostHello, Nonce, PluginHello};
use keyway_channel::message::{
    FromHost, FromPlugin, Pong, RawAnswer, Registration, ReplyShape, StateMigration,
    output_from_result, output_to_result, parse_result, verdict_from_result, verdict_to_result,
};
use keyway_plugin_api::EffectRequest;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::support::{HOST_NONCE, PLUGIN_NONCE, identity, offer, secret};

#[derive(Debug, Deserialize)]
struct Row {
    name: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    line: String,
    answers: Option<String>,
    code: Option<String>,
    secret: Option<String>,
    export_of_ticket: Option<String>,
}

fn rows(file: &str) -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts/v1");
    let text = fs::read_to_string(folder.join(file)).unwrap();
    text.lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

fn unhex(text: &str) -> [u8; 32] {
    let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
    std::array::from_fn(byte)
}

fn method_of(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value["method"].as_str().map(str::to_owned)
}

fn written_host(message: &FromHost) -> String {
    let mut out = Vec::new();
    message.encode(ChannelLimits::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn written_plugin(message: &FromPlugin) -> String {
    let mut out = Vec::new();
    message.encode(ChannelLimits::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_recorded_handshake_is_made_and_accepted_byte_for_byte() {
    let rows = rows("handshake.jsonl");
    let [given, hello, answer, prove, ready] = &rows[..] else {
        panic!("{} rows", rows.len());
    };
    let key = unhex(given.secret.as_deref().unwrap());
    let nonces = (
        Nonce::from_bytes(HOST_NONCE),
        Nonce::from_bytes(PLUGIN_NONCE),
    );
    let (line, host) = HostHello::begin(secret(key), offer(), nonces.0).unwrap();
    assert_eq!(line, hello.line);
    let plugin = PluginHello::begin(secret(key), identity(), nonces.1);
    let welcome = plugin.hello(&hello.line).unwrap();
    assert_eq!(welcome.answer, answer.line);
    assert_eq!(welcome.prove, prove.line);
    let (line, host) = host
        .answer(&answer.line)
        .unwrap()
        .prove(&prove.line)
        .unwrap();
    assert_eq!(line, ready.line);
    let plugin = welcome.next.ready(&ready.line).unwrap();
    let signature = unhex(given.export_of_ticket.as_deref().unwrap());
    assert_eq!(host.export_key().sign(b"ticket"), signature);
    assert_eq!(plugin.export_key().sign(b"ticket"), signature);
}

#[test]
fn the_recorded_refusals_are_refused_for_their_reason() {
    let rows = rows("refusals.jsonl");
    let mut codes = BTreeSet::new();
    for row in &rows {
        let nonce = Nonce::from_bytes(PLUGIN_NONCE);
        let plugin = PluginHello::begin(secret([0; 32]), identity(), nonce);
        let refused = plugin.hello(&row.line).unwrap_err();
        let code = row.code.clone().unwrap();
        assert_eq!(
            refused.error.code().to_ascii_lowercase(),
            code,
            "{}",
            row.name
        );
        assert!(
            refused
                .line
                .unwrap()
                .contains(&format!("{{\"code\":\"{code}\"}}"))
        );
        codes.insert(code);
    }
    assert_eq!(codes.len(), 4);
}

#[test]
fn every_recorded_message_is_read_and_written_byte_for_byte() {
    for row in rows("host.jsonl") {
        let message = FromHost::parse(&row.line).unwrap();
        assert_eq!(
            written_host(&message),
            format!("{}\n", row.line),
            "{}",
            row.name
        );
        if let FromHost::Answer { answer, .. } = message {
            let method = row.answers.unwrap();
            assert_eq!(reply_again(&method, &answer), text(&answer), "{}", row.name);
        }
    }
    for row in rows("plugin.jsonl") {
        let message = FromPlugin::parse(&row.line).unwrap();
        assert_eq!(
            written_plugin(&message),
            format!("{}\n", row.line),
            "{}",
            row.name
        );
        if let FromPlugin::Answer { answer, .. } = message {
            let method = row.answers.unwrap();
            assert_eq!(
                result_again(&method, &answer),
                text(&answer),
                "{}",
                row.name
            );
        }
    }
}

fn text(answer: &RawAnswer) -> String {
    match answer {
        Ok(result) => result.get().to_owned(),
        Err(error) => serde_json::to_string(error).unwrap(),
    }
}

/// Reads a host's reply into the plugin's types and writes it again.
fn reply_again(method: &str, answer: &RawAnswer) -> String {
    let Ok(result) = answer else {
        return text(answer);
    };
    let request = request_of(method);
    let shape = ReplyShape::of(&request);
    text(&shape.write(Ok(&shape.read(result).unwrap())))
}

/// A request of a method, read from the recorded one.
fn request_of(method: &str) -> EffectRequest {
    let row = rows("plugin.jsonl")
        .into_iter()
        .find(|row| method_of(&row.line).as_deref() == Some(method))
        .unwrap();
    match FromPlugin::parse(&row.line).unwrap() {
        FromPlugin::Request { effect, .. } => effect,
        other => panic!("{other:?}"),
    }
}

/// Reads a plugin's result into the host's types and writes it again.
fn result_again(method: &str, answer: &RawAnswer) -> String {
    let Ok(result) = answer else {
        return text(answer);
    };
    let result: &RawValue = result;
    text(&match method {
        "tools/call" => output_to_result(Ok(&output_from_result(result).unwrap())),
        "hooks/run" => verdict_to_result(verdict_from_result(result).unwrap()),
        "keyway/register" => Registration::from_result(result).unwrap().to_result(),
        "keyway/migrate" => {
            let entries = StateMigration::entries_from_result(result).unwrap();
            StateMigration::entries_to_result(&entries)
        }
        "keyway/ping" => parse_result::<Pong>(result).unwrap().to_result(),
        _ => keyway_channel::message::done(),
    })
}

#[test]
fn every_kind_of_message_has_a_transcript() {
    let (host, plugin) = (rows("host.jsonl"), rows("plugin.jsonl"));
    let methods = |rows: &[Row]| -> BTreeSet<String> {
        rows.iter().filter_map(|row| method_of(&row.line)).collect()
    };
    let of = |methods: &[&str]| methods.iter().map(|m| (*m).to_owned()).collect();
    assert_eq!(methods(&host), of(&FromHost::METHODS));
    assert_eq!(methods(&plugin), of(&FromPlugin::METHODS));
    let answered = |rows: &[Row]| -> BTreeSet<String> {
        rows.iter().filter_map(|row| row.answers.clone()).collect()
    };
    for method in FromHost::METHODS
        .iter()
        .filter(|m| !m.starts_with("notifications/"))
    {
        assert!(answered(&plugin).contains(*method), "no answer to {method}");
    }
    for method in FromPlugin::METHODS {
        let is_said = matches!(method, "host/log" | "host/progress");
        assert_eq!(answered(&host).contains(method), !is_said, "{method}");
    }
}

#[test]
fn names_are_unique_and_rows_say_who_speaks() {
    for (file, from) in [("host.jsonl", "host"), ("plugin.jsonl", "plugin")] {
        let rows = rows(file);
        let names: BTreeSet<_> = rows.iter().map(|row| &row.name).collect();
        assert_eq!(names.len(), rows.len(), "{file}");
        assert!(rows.iter().all(|row| row.from == from), "{file}");
    }
}
