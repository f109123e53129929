//! The agent loop with a model behind an OpenAI-compatible endpoint, well or badly behaved.

use std::io::Read;
use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value, json};

use super::bench::{Bench, KEY, Run};
use super::chat_server::{ChatServer, Delivery, Gate, Reply, Turn};

const SEARCH: &str = "repo-tools__search_text";
const STATS: &str = "repo-tools__line_stats";
const NOTE: &str = "repo-tools__write_note";

fn looking() -> Turn {
    Turn::says("Let me look — ä😀.")
        .calls(STATS, &json!({ "folder": "src" }))
        .calls(SEARCH, &json!({ "text": "greet()" }))
}

fn concluding() -> Turn {
    Turn::says("It greets.")
}

#[track_caller]
fn run(bench: &Bench, replies: Vec<Reply>) -> (Run, ChatServer) {
    let server = ChatServer::start(replies);
    (bench.run_with(&server.base_url()), server)
}

#[test]
fn a_real_model_gets_the_tools_the_results_and_the_denial() {
    let note = Turn::says("").calls(NOTE, &json!({ "name": "found", "text": "It greets." }));
    let replies = vec![
        looking().streamed(),
        note.streamed(),
        concluding().streamed(),
    ];
    let bench = Bench::new();
    let (run, server) = run(&bench, replies);
    run.succeeded();
    run.shows("Let me look — ä😀.");
    run.shows("It greets.");

    let requests = server.requests();
    assert_eq!(requests.len(), 3, "{run}");
    let first = &requests[0];
    assert_eq!(first.path, "/v1/chat/completions");
    assert_eq!(
        first.header("authorization"),
        Some(&*format!("Bearer {KEY}"))
    );
    assert_eq!(first.body["model"], "test-model");
    assert_eq!(first.body["stream"], true);
    let results = requests[1].tool_results();
    assert_eq!(results.len(), 2);
    assert!(results[0].contains("src/greet.rs"), "{results:?}");
    assert!(results[1].contains("\"line\":2"), "{results:?}");
    let denial = requests[2].tool_results().pop().unwrap();
    assert!(denial.contains("filesystem:write"), "{denial}");
    assert!(!bench.path("repo/notes").exists());
}

/// The tools that the quickstart offers its model.
pub(crate) fn tools_sent() -> Vec<Value> {
    let (_, server) = run(&Bench::new(), vec![concluding().streamed()]);
    let body = server.requests().remove(0).body;
    serde_json::from_value(body["tools"].clone()).unwrap()
}

#[test]
fn every_tool_has_a_name_and_a_schema_that_model_apis_take() {
    let tools = tools_sent();
    assert_eq!(tools.len(), 6);
    for tool in &tools {
        let function = &tool["function"];
        let name = function["name"].as_str().unwrap();
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        assert!(name.len() <= 64 && name.bytes().all(fits), "{name}");
        assert_eq!(function["parameters"]["type"], "object", "{name}");
        assert!(
            function["description"]
                .as_str()
                .is_some_and(|d| d.len() > 10),
            "{name}"
        );
    }
}

#[test]
fn a_turn_arrives_whole_however_the_endpoint_delivers_it() {
    let refuses_stream = json!({ "error": { "message": "stream is not supported" } }).to_string();
    let busy = |headers| Reply::Status(429, headers, json!({ "message": "slow down" }).to_string());
    for (way, replies, tries) in [
        (
            "byte by byte",
            vec![Reply::Stream(looking(), Delivery::Bytes)],
            1,
        ),
        ("as one document", vec![Reply::Whole(looking())], 1),
        (
            "as one document, after refusing to stream",
            vec![
                Reply::Status(400, "", refuses_stream),
                Reply::Whole(looking()),
            ],
            2,
        ),
        (
            "after two refusals for being busy",
            vec![busy("Retry-After: 0\r\n"), busy(""), looking().streamed()],
            3,
        ),
    ] {
        let replies = [replies, vec![concluding().streamed()]].concat();
        let (run, server) = run(&Bench::new(), replies);
        run.succeeded();
        run.shows("Let me look — ä😀.");
        let requests = server.requests();
        assert_eq!(requests.len(), tries + 1, "{way}");
        let results = requests[tries].tool_results();
        assert!(
            results.len() == 2 && results[1].contains("src/main.rs"),
            "{way}: {results:?}"
        );
    }
}

#[test]
fn a_refusal_names_the_next_step_and_never_the_key() {
    let echo = json!({ "error": { "message": format!("bad key {KEY} \u{1b}[2J") } }).to_string();
    for (status, body, words, step) in [
        (401, &*echo, "refused the key", "OPENAI_API_KEY"),
        (403, &echo, "refused the key", "OPENAI_API_KEY"),
        (404, &echo, "no model `test-model`", "OPENAI_MODEL"),
        (400, "bad request", "status 400", "OPENAI_MODEL"),
        (302, "", "status 302", "correct what"),
        (500, "<html>", "status 500", "run it again"),
        (200, "<html>hello</html>", "not a chat completion", "/v1"),
        (200, "{\"choices\":[]}", "not a chat completion", "/v1"),
    ] {
        // Following the redirect would carry the key to whoever it names.
        let headers = "Location: http://127.0.0.1:9/\r\n";
        let reply = Reply::Status(status, headers, body.to_owned());
        fails(&format!("status {status}"), vec![reply], words, step);
    }
    let busy = |headers| Reply::Status(429, headers, "later".to_owned());
    for replies in [
        vec![busy("Retry-After: 0\r\n"); 3],
        vec![busy("Retry-After: 3600\r\n")],
    ] {
        fails("busy", replies, "limiting requests", "wait a minute");
    }
}

#[test]
fn a_broken_answer_is_never_taken_for_a_turn() {
    let event = |event: Value| Reply::Events(format!("data: {event}\n\n"));
    let half = json!({ "choices": [{ "delta": { "content": "x" } }] });
    let long = json!({ "choices": [{ "delta": {}, "finish_reason": "length" }] });
    let withheld = json!({ "choices": [{ "delta": {}, "finish_reason": "content_filter" }] });
    let inside = json!({ "error": { "message": "overloaded" } });
    let cut = Reply::Stream(looking(), Delivery::Cut);
    for (case, reply, words, step) in [
        ("cut", cut, "was cut", "run it again"),
        ("ends early", event(half), "was cut", "run it again"),
        (
            "not JSON",
            Reply::Events("data: {oops\n\n".to_owned()),
            "not a chat",
            "/v1",
        ),
        ("too long", event(long), "output limit", "ask for less"),
        ("withheld", event(withheld), "withheld", "other words"),
        (
            "an error inside",
            event(inside),
            "overloaded",
            "correct what",
        ),
    ] {
        fails(case, vec![reply], words, step);
    }
}

#[track_caller]
fn fails(case: &str, replies: Vec<Reply>, words: &str, step: &str) {
    let bench = Bench::new();
    let (run, _server) = run(&bench, replies);
    assert!(!run.success, "{case} succeeded\n{run}");
    assert!(
        run.stderr.contains(words),
        "{case}: {words:?} is missing in\n{run}"
    );
    assert!(
        run.stderr.contains(step),
        "{case}: {step:?} is missing in\n{run}"
    );
    assert!(
        !run.stderr.contains('\u{1b}'),
        "{case} steers the terminal\n{run}"
    );
    key_is_nowhere(case, &bench, &run);
}

#[track_caller]
fn key_is_nowhere(case: &str, bench: &Bench, run: &Run) {
    assert!(
        !run.to_string().contains(KEY),
        "{case} prints the key\n{run}"
    );
    for (path, content) in bench.state_files() {
        assert!(
            !content.contains(KEY),
            "{case} stores the key in {}",
            path.display()
        );
    }
}

#[test]
fn an_endpoint_that_is_not_there_is_said_with_the_next_step() {
    let bench = Bench::new();
    // Port 9 of this machine: nothing listens there.
    for (base, words) in [
        ("http://127.0.0.1:9/v1", "cannot reach"),
        ("http://far.example/v1", "in the clear"),
        ("nonsense", "OPENAI_BASE_URL is wrong"),
    ] {
        let run = bench.run_with(base);
        assert!(!run.success, "{base}");
        assert!(run.stderr.contains(words), "{base}\n{run}");
        assert!(run.stderr.contains("OPENAI_BASE_URL"), "{base}\n{run}");
        assert!(!run.to_string().contains(KEY), "{base}");
    }
}

#[test]
fn text_is_shown_while_the_rest_is_still_on_its_way() {
    let gate = Arc::new(Gate::default());
    let server = ChatServer::start(vec![Reply::Held(concluding(), Arc::clone(&gate))]);
    let bench = Bench::new();
    let mut command = bench.command_for(&server.base_url());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("It ") {
        let mut byte = [0];
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "ended before any text");
        shown.push(byte[0]);
    }
    gate.open();
    stdout.read_to_end(&mut shown).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(String::from_utf8_lossy(&shown).contains("It greets."));
}

#[test]
fn the_task_can_be_set() {
    let server = ChatServer::start(vec![concluding().streamed()]);
    let bench = Bench::new();
    let mut command = bench.command_for(&server.base_url());
    let output = command.env("QUICKSTART_TASK", "Say what it does.").output();
    Run::of(output.unwrap()).succeeded();
    let messages = &server.requests()[0].body["messages"];
    assert_eq!(
        messages[1],
        json!({ "role": "user", "content": "Say what it does." })
    );
}

#[test]
fn what_a_model_makes_up_comes_back_to_it_as_a_result_it_can_use() {
    let odd = Turn::says("")
        .calls("repo-tools__drop_table", &json!({}))
        .calls(SEARCH, &"{not json")
        .calls(SEARCH, &json!({ "txt": "greet" }))
        .calls(
            "repo-tools__read_file",
            &json!({ "file": "../outside.txt" }),
        );
    let bench = Bench::new();
    bench.file("outside.txt", "not yours");
    let (run, server) = run(&bench, vec![odd.streamed(), concluding().streamed()]);
    run.succeeded();
    let results = server.requests()[1].tool_results();
    for (result, words) in results
        .iter()
        .zip(["drop_table", "INVALID_ARGUMENTS", "txt", "outside"])
    {
        assert!(result.contains(words), "{words:?} is missing in {result}");
        let result: Value = serde_json::from_str(result).unwrap();
        assert!(result["error"]["message"].is_string(), "{result}");
    }
    assert!(!results[3].contains("not yours"));
}

#[test]
fn a_model_that_never_stops_is_stopped() {
    let (run, server) = run(&Bench::new(), vec![looking().streamed(); 40]);
    assert!(!run.success);
    assert!(run.stderr.contains("turns"), "{run}");
    assert!(server.requests().len() < 30);
}
