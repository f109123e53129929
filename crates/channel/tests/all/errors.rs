//! Every error with its exact text and code.

use keyway_channel::frame::{FrameDecoder, FrameError};
use keyway_channel::handshake::{ContentDigest, HandshakeError, Step};
use keyway_channel::message::{FromHost, FromPlugin, ProtocolError};
use keyway_channel::{ChannelLimits, InFlight};

fn frame_error(stream: &[u8]) -> FrameError {
    let mut decoder = FrameDecoder::new(ChannelLimits::default().with_frame(100));
    let mut input = stream;
    loop {
        match decoder.next_line(&mut input) {
            Ok(Some(_)) => {}
            Ok(None) => return decoder.finish().unwrap_err(),
            Err(error) => return error,
        }
    }
}

#[test]
fn frame_errors() {
    let deep = "[".repeat(65) + "\n";
    for (error, code, text) in [
        (
            frame_error(&[b'x'; 101]),
            "FRAME_TOO_LARGE",
            "the message is longer than 100 bytes",
        ),
        (
            frame_error(deep.as_bytes()),
            "FRAME_TOO_DEEP",
            "the message is nested more than 64 deep",
        ),
        (
            frame_error(b"ab\xff\n"),
            "FRAME_NOT_UTF8",
            "the message is not UTF-8 (byte 2)",
        ),
        (
            frame_error(b"{}\n{\"a"),
            "FRAME_TRUNCATED",
            "the channel ended 3 bytes into a message",
        ),
    ] {
        assert_eq!((error.code(), error.to_string().as_str()), (code, text));
    }
}

#[test]
fn protocol_errors() {
    let of_plugin = |line: &str| FromPlugin::parse(line).unwrap_err();
    let of_host = |line: &str| FromHost::parse(line).unwrap_err();
    for (error, code, text) in [
        (
            of_plugin("hello"),
            "MESSAGE_NOT_JSON",
            "the message is not JSON: expected value at line 1 column 1",
        ),
        (
            of_plugin(r#"{"jsonrpc":"2.0"}"#),
            "MESSAGE_INVALID",
            "the message is neither a request, a notification nor an answer",
        ),
        (
            of_plugin(r#"{"method":"x"}"#),
            "MESSAGE_INVALID",
            "the message `jsonrpc` is not \"2.0\"",
        ),
        (
            of_plugin(r#"{"jsonrpc":"2.0","id":1,"method":"host/log"}"#),
            "MESSAGE_INVALID",
            "the message has an id that is not \"p1\", \"p2\", …",
        ),
        (
            of_host(r#"{"jsonrpc":"2.0","id":"p1","method":"keyway/ping"}"#),
            "MESSAGE_INVALID",
            "the message has an id that is not a positive integer",
        ),
        (
            of_host(r#"{"jsonrpc":"2.0","id":2,"method":"keyway/hello"}"#),
            "HANDSHAKE_AGAIN",
            "the peer sent `keyway/hello` a second time",
        ),
    ] {
        assert_eq!((error.code(), error.to_string().as_str()), (code, text));
    }
    let mut waiting: InFlight<()> = InFlight::new(1);
    let error = ProtocolError::from(waiting.end(9).unwrap_err());
    assert_eq!(
        error.to_string(),
        "the peer answered request 9, which does not wait for an answer"
    );
    waiting.begin(()).unwrap();
    assert_eq!(
        waiting.begin(()).unwrap_err().to_string(),
        "1 requests wait for an answer already; try again when one has come"
    );
}

#[test]
fn handshake_errors() {
    for (error, code, text) in [
        (
            HandshakeError::not_a_plugin(b"Usage: ls\n"),
            "NOT_A_PLUGIN",
            "the program is no keyway plugin; it began with: Usage: ls\\n",
        ),
        (
            HandshakeError::timed_out(Step::Answer, 10_000),
            "HANDSHAKE_TIMEOUT",
            "the answer line did not come within 10000 ms",
        ),
    ] {
        assert_eq!((error.code(), error.to_string().as_str()), (code, text));
    }
    let error = "sha256:AB".parse::<ContentDigest>().unwrap_err();
    assert_eq!(error.code(), "DIGEST_INVALID");
    assert_eq!(
        error.to_string(),
        "a digest is `sha256:` and 64 hexadecimal digits in lower case"
    );
}
