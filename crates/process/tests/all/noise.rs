//! Attacks E7 and D8 on a real channel: bytes in any split, noise, and lines out of their turn.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use keyway_channel::handshake::{
    ContentDigest, HandshakeError, HostHello, Nonce, Offer, OfferedPlugin, Secret,
};
use keyway_plugin_api::{PluginId, plugin_api_version};
use keyway_sandbox::{Environment, Handover, Jail, Program};
use keyway_test_support::TestHost;
use proptest::prelude::{Just, Strategy, any, prop};
use proptest::test_runner::{Config, TestRunner};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};

use crate::support::{
    STRESS, Site, code, eventually, failures_in_trail, is_listed, quick, running, tireless,
};

/// A log line of the call in which it is said.
const LOG: &str = r#"{"jsonrpc":"2.0","method":"host/log","params":{"call":$CALL,"level":"info","message":"MESSAGE"}}"#;
/// Sizes of pieces in which bytes go out; the last is more than any of them.
const PIECES: [usize; 5] = [1, 2, 7, 64, 1 << 20];

/// A plugin that comes back at once, however often, and another one.
async fn pair() -> (Site, TestHost) {
    let site = Site::with(quick().with_supervision(tireless()))
        .stress("bad", &[])
        .stress("good", &[]);
    let host = running(&site).await;
    (site, host)
}

/// Lets the plugin say something, and returns how the call ended.
async fn say(host: &TestHost, arguments: Value) -> String {
    eventually("it serves", || is_listed(host, "bad/say")).await;
    code(&host.call("bad/say", arguments).await)
}

fn logged(host: &TestHost, message: &str) -> usize {
    let bad = PluginId::parse("bad").unwrap();
    let log = host.effects().log_of(&bad);
    log.iter().filter(|(_, line)| line == message).count()
}

#[tokio::test]
async fn s_e7_a_message_is_the_same_in_whatever_pieces_it_comes() {
    let (_site, host) = pair().await;
    for piece in PIECES {
        let message = format!("in pieces of {piece}");
        // Two of them, so that a piece can hold the end of one and the beginning of the other.
        let text = format!("{LOG}\n{LOG}\r\n").replace("MESSAGE", &message);
        let said = say(&host, json!({ "text": text, "piece": piece })).await;
        assert_eq!(said, r#"worked: "said""#, "{piece}");
        eventually("both arrived", || logged(&host, &message) == 2).await;
    }
    assert!(failures_in_trail(&host, "bad").is_empty());
}

#[test]
fn s_e7_control_who_takes_a_read_for_a_message_loses_it_in_pieces() {
    let message = LOG.replace("$CALL", "1");
    let read = |piece: usize| {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let mut understood = 0;
        for part in message.as_bytes().chunks(piece) {
            theirs.write_all(part).unwrap();
            let mut buffer = [0; 4096];
            let count = ours.read(&mut buffer).unwrap();
            let message = serde_json::from_slice::<Value>(&buffer[..count]);
            understood += usize::from(message.is_ok_and(|message| message.is_object()));
        }
        understood
    };
    assert_eq!(read(PIECES[4]), 1);
    for piece in &PIECES[..4] {
        assert_eq!(read(*piece), 0, "{piece}");
    }
}

#[tokio::test]
async fn s_e7_what_is_no_message_ends_its_plugin_for_the_same_reason_in_any_pieces() {
    let (_site, host) = pair().await;
    let deep = format!("{}{}\n", "[".repeat(65), "]".repeat(65));
    for (bytes, code) in [
        (&b"Welcome to foo 1.0\n"[..], "MESSAGE_NOT_JSON"),
        (b"\n", "MESSAGE_NOT_JSON"),
        (b"{}\n", "MESSAGE_INVALID"),
        (b"{\"a\":\"\xff\"}\n", "FRAME_NOT_UTF8"),
        (b"{\"a\":\"\0\"}\n", "MESSAGE_NOT_JSON"),
        (deep.as_bytes(), "FRAME_TOO_DEEP"),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":4711,\"result\":{}}\n",
            "UNKNOWN_ANSWER",
        ),
    ] {
        for piece in PIECES {
            let before = failures_in_trail(&host, "bad").len();
            let said = say(&host, json!({ "bytes": bytes, "piece": piece })).await;
            assert_eq!(said, "PLUGIN_GONE", "{bytes:?}");
            let told = || failures_in_trail(&host, "bad").split_off(before).concat();
            eventually("the reason is told", || !told().is_empty()).await;
            assert!(told().contains(code), "{code}, {piece}: {}", told());
            assert!(host.call("good/echo", json!({})).await.is_ok());
        }
    }
}

/// Any bytes, and bytes that look like parts of messages.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let part = proptest::prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(b"\n".to_vec()),
        Just(br#"{"jsonrpc":"2.0","#.to_vec()),
        Just(br#""id":1,"#.to_vec()),
        Just(br#""id":"p1","#.to_vec()),
        Just(br#""method":"host/log","#.to_vec()),
        Just(br#""result":{}}"#.to_vec()),
        Just(br#""params":{"call":1}}"#.to_vec()),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

#[test]
fn s_e7_no_noise_of_a_plugin_reaches_anybody_else() {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let (_site, host) = runtime.block_on(pair());
    let mut config = Config::with_cases(60);
    // What was found is written down as a row of the test above.
    config.failure_persistence = None;
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&(noise(), 1usize..50), |(bytes, piece)| {
        let said = runtime.block_on(async {
            let said = say(&host, json!({ "bytes": bytes, "piece": piece })).await;
            let answered = host.call("good/echo", json!({ "n": 7 })).await;
            assert_eq!(answered.unwrap(), json!({ "n": 7 }));
            said
        });
        // An answer that nobody else may give is not among these.
        let known = [r#"worked: "said""#, "PLUGIN_GONE"];
        assert!(known.contains(&said.as_str()), "{said}");
        Ok(())
    });
    outcome.unwrap();
    // The control: there was noise that a host could not bear with.
    assert!(!failures_in_trail(&host, "bad").is_empty());
    assert!(failures_in_trail(&host, "good").is_empty());
}

/// Ways to say the lines of a handshake out of their turn.
const OUT_OF_TURN: [&str; 3] = ["answer-twice", "prove-first", "request-early"];

#[tokio::test]
async fn s_d8_a_line_out_of_its_turn_ends_the_handshake() {
    for switch in OUT_OF_TURN {
        let site = Site::new().stress("bad", &[switch]);
        let host = site.start().await;
        let (code, reason) = crate::support::failure(&host, "bad");
        let expected = ["HANDSHAKE_MALFORMED", "NOT_A_PLUGIN"];
        assert!(
            expected.contains(&code.as_str()),
            "{switch}: {code} {reason}"
        );
        assert!(!is_listed(&host, "bad/echo"));
    }
}

/// The same programs before a host that looks for the lines that it wants, wherever they come.
#[test]
fn s_d8_control_a_host_that_does_not_mind_turns_opens_the_channel() {
    for switch in OUT_OF_TURN {
        let opened = sorted_handshake(switch);
        assert!(opened.is_ok(), "{switch}: {opened:?}");
    }
}

fn sorted_handshake(switch: &str) -> Result<(), HandshakeError> {
    let (host, plugin) = UnixStream::pair().unwrap();
    let (secret_end, pipe) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let environment = Environment::new().with("KEYWAY_CHANNEL", "fd:3").unwrap();
    let jail = Jail::new().environment(environment).read(STRESS);
    let program = Program::at(STRESS).arg(switch);
    let handover = Handover::new().fd(plugin).fd(secret_end);
    let mut confined = jail.spawn(&program, handover).unwrap();
    let secret = Secret::draw().unwrap();
    std::fs::File::from(pipe)
        .write_all(secret.expose())
        .unwrap();
    let offered = OfferedPlugin {
        id: PluginId::parse("bad").unwrap(),
        version: semver::Version::new(0, 1, 0),
        digest: ContentDigest::from_bytes([7; 32]),
    };
    let offer = Offer::new(offered, vec![plugin_api_version()]);
    let (hello, awaiting) = HostHello::begin(secret, offer, Nonce::draw().unwrap())?;
    writeln!(&host, "{hello}").unwrap();
    let lines = BufReader::new(&host).lines().map(Result::unwrap);
    let (mut answer, mut prove) = (None, None);
    for line in lines {
        match line.contains("keyway/prove") {
            true => prove = Some(line),
            false if line.contains("\"result\"") => answer = Some(line),
            false => {}
        }
        if answer.is_some() && prove.is_some() {
            break;
        }
    }
    let opened = awaiting.answer(&answer.unwrap())?.prove(&prove.unwrap());
    confined.kill().unwrap();
    confined.wait().unwrap();
    opened.map(drop)
}
