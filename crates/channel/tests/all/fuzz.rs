//! Attack D8: a hundred thousand transcripts with noise on the wire; none is accepted.

use keyway_channel::handshake::HandshakeError;
use serde_json::Value;

use super::support::{HOST_NONCE, Noise, PLUGIN_NONCE, SECRET, honest, host, plugin, through};

const TRANSCRIPTS: usize = 100_000;

fn mac(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    Some(value.pointer("/params/mac")?.as_str()?.to_owned())
}

#[test]
fn s_d8_a_hundred_thousand_altered_transcripts_are_refused() {
    let clean = honest();
    let mut noise = Noise(0x5EED_0D08);
    let (mut tried, mut accepted) = (0, Vec::new());
    while tried < TRANSCRIPTS {
        // Lines 1 and 2 are signed byte for byte; of lines 3 and 4 the code is what counts.
        let step = noise.below(4);
        let mut changed = [&clean.hello, &clean.answer, &clean.prove, &clean.ready][step].clone();
        let before = changed.clone();
        noise.mutate(&mut changed);
        if changed == before || (step >= 2 && mac(&changed) == mac(&before)) {
            continue;
        }
        tried += 1;
        if is_accepted(step, &clean, &changed) {
            accepted.push(changed);
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
    // Control: the same wire without noise.
    assert!((0..4).all(|step| {
        let line = [&clean.hello, &clean.answer, &clean.prove, &clean.ready][step];
        is_accepted(step, &clean, line)
    }));
}

/// Whether the end that gets the changed line, or the one behind it, opens a channel.
fn is_accepted(step: usize, clean: &super::support::Seen, changed: &str) -> bool {
    match step {
        0 => {
            let Ok(welcome) = plugin(SECRET, PLUGIN_NONCE).hello(changed) else {
                return false;
            };
            let proved = finish(&welcome.answer, &welcome.prove);
            proved.is_ok() || welcome.next.ready(&clean.ready).is_ok()
        }
        1 => finish(changed, &clean.prove).is_ok(),
        2 => finish(&clean.answer, changed).is_ok(),
        _ => {
            let welcome = plugin(SECRET, PLUGIN_NONCE).hello(&clean.hello).unwrap();
            welcome.next.ready(changed).is_ok()
        }
    }
}

fn finish(answer: &str, prove: &str) -> Result<(), HandshakeError> {
    let (_, waiting) = host(SECRET, HOST_NONCE);
    waiting.answer(answer)?.prove(prove).map(|_| ())
}

#[test]
fn noise_on_every_line_at_once_is_refused_and_nobody_panics() {
    let mut noise = Noise(0xBAD_CAFE);
    for _ in 0..2_000 {
        let mut changes = 0;
        let (_, ends) = through(|step, line| {
            let before = line.clone();
            noise.mutate(line);
            changes += usize::from(step < 2 && *line != before);
        });
        assert!(changes == 0 || (ends.host.is_err() && ends.plugin.is_err()));
    }
}
