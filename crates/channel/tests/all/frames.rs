//! Attack E7: the same bytes in any split give the same lines, and memory stays within the cap.

use keyway_channel::ChannelLimits;
use keyway_channel::frame::{FrameDecoder, FrameError, encode};
use keyway_channel::message::{FromHost, FromPlugin};
use proptest::collection::vec;
use proptest::prelude::{any, proptest};

use super::support::Noise;

const CAP: usize = 1_000;

fn limits() -> ChannelLimits {
    ChannelLimits::default().with_frame(CAP)
}

/// What a decoder makes of a stream: its lines and how it ended.
type Outcome = (Vec<String>, Result<(), FrameError>);

/// Feeds a stream in pieces whose sizes `split` gives.
fn decode(stream: &[u8], mut split: impl FnMut() -> usize) -> Outcome {
    let mut decoder = FrameDecoder::new(limits());
    let (mut lines, mut rest) = (Vec::new(), stream);
    while !rest.is_empty() {
        let (mut piece, after) = rest.split_at(split().clamp(1, rest.len()));
        rest = after;
        loop {
            match decoder.next_line(&mut piece) {
                Ok(Some(line)) => lines.push(line.to_owned()),
                Ok(None) => break,
                Err(error) => return (lines, Err(error)),
            }
            assert!(decoder.memory() <= CAP, "{} bytes held", decoder.memory());
        }
        assert!(decoder.memory() <= CAP, "{} bytes held", decoder.memory());
    }
    let end = decoder.finish();
    (lines, end)
}

/// The corpus T24: what has been seen on the standard output of programs.
fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    let frame = br#"{"jsonrpc":"2.0","method":"x"}"#.as_slice();
    let join = |parts: &[&[u8]]| parts.concat();
    vec![
        ("one frame", join(&[frame, b"\n"])),
        (
            "two frames in one write",
            join(&[frame, b"\n", frame, b"\n"]),
        ),
        (
            "a banner first",
            join(&[b"Welcome to foo 1.0\n", frame, b"\n"]),
        ),
        (
            "log lines between frames",
            join(&[frame, b"\nWARN x\n", frame, b"\n"]),
        ),
        (
            "half a frame, then the end",
            join(&[frame, b"\n", &frame[..9]]),
        ),
        (
            "invalid UTF-8",
            join(&[b"{\"a\":\"\xff\"}\n", frame, b"\n"]),
        ),
        (
            "a character cut in two",
            join(&["{\"a\":\"é\"}".as_bytes(), b"\n"]),
        ),
        ("an endless line", vec![b'x'; 50 * CAP]),
        ("a line of exactly the cap", join(&[&[b'x'; CAP], b"\n"])),
        ("a line one over the cap", join(&[&[b'x'; CAP + 1], b"\n"])),
        ("carriage returns", join(&[frame, b"\r\n", frame, b"\r\n"])),
        (
            "an embedded NUL",
            join(&[b"{\"a\":\"\0\"}\n", frame, b"\n"]),
        ),
        ("empty lines", join(&[b"\n\n", frame, b"\n\n"])),
        (
            "65 deep",
            join(&["[".repeat(65).as_bytes(), "]".repeat(65).as_bytes(), b"\n"]),
        ),
        (
            "64 deep",
            join(&["[".repeat(64).as_bytes(), "]".repeat(64).as_bytes(), b"\n"]),
        ),
        (
            "brackets in a string",
            join(&[b"\"", "[".repeat(90).as_bytes(), b"\\\"[\"\n"]),
        ),
        ("nothing", Vec::new()),
    ]
}

#[test]
fn s_e7_every_split_of_the_corpus_gives_the_same_lines() {
    let mut noise = Noise(0xE7);
    for (name, stream) in corpus() {
        let whole = decode(&stream, || usize::MAX);
        assert_eq!(decode(&stream, || 1), whole, "{name}, byte at a time");
        for size in 2..40 {
            assert_eq!(decode(&stream, || size), whole, "{name}, {size} at a time");
        }
        for _ in 0..200 {
            let random = decode(&stream, || noise.below(70));
            assert_eq!(random, whole, "{name}, random splits");
        }
    }
    // Control: reading "a line per read" is what a split breaks.
    let (_, stream) = &corpus()[0];
    let per_read = |sizes: usize| stream.chunks(sizes).count();
    assert_ne!(per_read(1), per_read(usize::MAX));
}

#[test]
fn s_e7_the_corpus_is_judged_as_written() {
    let judged: Vec<(&str, usize, Option<&str>)> = corpus()
        .iter()
        .map(|(name, stream)| {
            let (lines, end) = decode(stream, || usize::MAX);
            (*name, lines.len(), end.err().map(|e| e.code()))
        })
        .collect();
    let expected = [
        ("one frame", 1, None),
        ("two frames in one write", 2, None),
        ("a banner first", 2, None),
        ("log lines between frames", 3, None),
        ("half a frame, then the end", 1, Some("FRAME_TRUNCATED")),
        ("invalid UTF-8", 0, Some("FRAME_NOT_UTF8")),
        ("a character cut in two", 1, None),
        ("an endless line", 0, Some("FRAME_TOO_LARGE")),
        ("a line of exactly the cap", 1, None),
        ("a line one over the cap", 0, Some("FRAME_TOO_LARGE")),
        ("carriage returns", 2, None),
        ("an embedded NUL", 2, None),
        ("empty lines", 4, None),
        ("65 deep", 0, Some("FRAME_TOO_DEEP")),
        ("64 deep", 1, None),
        ("brackets in a string", 1, None),
        ("nothing", 0, None),
    ];
    assert_eq!(judged, expected);
}

#[test]
fn s_e7_what_is_a_line_and_no_message_breaks_the_protocol() {
    for line in [
        "",
        "Welcome to foo 1.0",
        "WARN x",
        "{\"a\":\"\0\"}",
        "[]",
        "{}",
        "null",
        r#"{"jsonrpc":"1.0","method":"x"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","method":"y"}"#,
        r#"{"jsonrpc":"2.0","id":"q1","result":{}}"#,
    ] {
        assert!(FromPlugin::parse(line).is_err(), "{line}");
        assert!(FromHost::parse(line).is_err(), "{line}");
    }
    let control = r#"{"jsonrpc":"2.0","method":"x"}"#;
    assert!(FromPlugin::parse(control).is_ok() && FromHost::parse(control).is_ok());
}

#[test]
fn s_e7_an_endless_line_is_never_buffered() {
    // 1 GB without a line feed, in pieces of 64 KiB.
    let mut decoder = FrameDecoder::new(ChannelLimits::default());
    let piece = vec![b'x'; 64 * 1024];
    let (mut fed, mut most) = (0usize, 0);
    let error = loop {
        let mut input = piece.as_slice();
        fed += input.len();
        match decoder.next_line(&mut input) {
            Ok(line) => assert_eq!(line, None),
            Err(error) => break error,
        }
        most = most.max(decoder.memory());
        assert!(fed < 1_000_000_000, "the cap never came");
    };
    assert_eq!(error.code(), "FRAME_TOO_LARGE");
    assert!(most <= 4 * 1024 * 1024, "{most} bytes held");
    assert_eq!(decoder.memory(), 0, "what was held is let go");
    // Control: a reader without a cap holds all that it was fed.
    let mut uncapped = Vec::new();
    (0..fed / piece.len()).for_each(|_| uncapped.extend_from_slice(&piece));
    assert!(uncapped.capacity() > 4 * 1024 * 1024);
}

#[test]
fn s_e7_an_error_stays() {
    let mut decoder = FrameDecoder::new(limits());
    let mut input = b"\xff\n{}\n".as_slice();
    let first = decoder.next_line(&mut input).unwrap_err();
    let mut input = b"{}\n".as_slice();
    assert_eq!(decoder.next_line(&mut input).unwrap_err(), first);
    assert_eq!(decoder.finish().unwrap_err(), first);
}

#[test]
fn a_large_line_is_not_paid_for_until_the_end() {
    let mut decoder = FrameDecoder::new(ChannelLimits::default());
    let mut large = vec![b'x'; 3_000_000];
    large.push(b'\n');
    for piece in large.chunks(1_000) {
        let mut input = piece;
        while let Ok(Some(line)) = decoder.next_line(&mut input) {
            assert_eq!(line.len(), 3_000_000);
        }
    }
    assert!(decoder.memory() <= 64 * 1024, "{}", decoder.memory());
}

#[test]
fn a_written_message_is_one_line_within_the_limits() {
    let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    let mut out = b"before\n".to_vec();
    encode(&raw("{\n  \"a\": \"x\\ny\"\r\n}"), limits(), &mut out).unwrap();
    assert_eq!(out, b"before\n{   \"a\": \"x\\ny\"\r }\n");
    let kept = out.clone();
    for (refused, code) in [
        (format!("\"{}\"", "x".repeat(CAP)), "FRAME_TOO_LARGE"),
        (
            format!("{}{}", "[".repeat(65), "]".repeat(65)),
            "FRAME_TOO_DEEP",
        ),
    ] {
        let error = encode(&raw(&refused), limits(), &mut out).unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(out, kept, "nothing of it is written");
    }
}

proptest! {
    #[test]
    fn s_e7_any_bytes_in_any_split_give_the_same_lines(
        stream in vec(any::<u8>(), 0..3_000),
        seed in 1u64..,
        longest in 1usize..200,
    ) {
        let whole = decode(&stream, || usize::MAX);
        let mut noise = Noise(seed);
        assert_eq!(decode(&stream, || noise.below(longest)), whole);
    }

    #[test]
    fn s_e7_no_line_makes_the_parser_panic(line in ".{0,300}") {
        drop(FromPlugin::parse(&line));
        drop(FromHost::parse(&line));
    }
}
