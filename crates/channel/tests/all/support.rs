//! Two ends, a wire between them, and a source of reproducible noise.

use keyway_channel::handshake::{
    AwaitingAnswer, AwaitingHello, ContentDigest, HandshakeError, HostHello, Nonce, Offer,
    OfferedPlugin, PluginHello, PluginIdentity, Secret, Verified,
};
use keyway_plugin_api::{PluginId, plugin_api_version};

pub(crate) const SECRET: [u8; 32] = [7; 32];
pub(crate) const HOST_NONCE: [u8; 32] = [0x11; 32];
pub(crate) const PLUGIN_NONCE: [u8; 32] = [0x22; 32];

pub(crate) fn secret(bytes: [u8; 32]) -> Secret {
    Secret::take(&mut bytes.clone()).unwrap()
}

pub(crate) fn digest(byte: u8) -> ContentDigest {
    ContentDigest::from_bytes([byte; 32])
}

pub(crate) fn offer() -> Offer {
    let plugin = OfferedPlugin {
        id: PluginId::parse("notes").unwrap(),
        version: "1.2.3".parse().unwrap(),
        digest: digest(0xab),
    };
    Offer::new(plugin, vec![plugin_api_version()])
        .with_generation(7)
        .with_grants(digest(0xcd))
        .with_tools_expected(digest(0xef))
}

pub(crate) fn identity() -> PluginIdentity {
    let who = (PluginId::parse("notes").unwrap(), "1.2.3".parse().unwrap());
    let api = (">=0.1, <0.2".parse().unwrap(), plugin_api_version());
    PluginIdentity::new(who, api, "keyway-serve/0.1.0 rust")
}

pub(crate) fn host(secret_bytes: [u8; 32], nonce: [u8; 32]) -> (String, AwaitingAnswer) {
    HostHello::begin(secret(secret_bytes), offer(), Nonce::from_bytes(nonce)).unwrap()
}

pub(crate) fn plugin(secret_bytes: [u8; 32], nonce: [u8; 32]) -> AwaitingHello {
    PluginHello::begin(secret(secret_bytes), identity(), Nonce::from_bytes(nonce))
}

/// The four lines of one handshake, as somebody on the wire sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) hello: String,
    pub(crate) answer: String,
    pub(crate) prove: String,
    pub(crate) ready: String,
}

/// What the two ends made of a handshake.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) host: Result<Verified, HandshakeError>,
    pub(crate) plugin: Result<Verified, HandshakeError>,
}

/// An honest handshake with the fixed secret and nonces.
pub(crate) fn honest() -> Seen {
    let (seen, ends) = through(|_, _| {});
    ends.host.unwrap();
    ends.plugin.unwrap();
    seen
}

/// Runs a handshake whose every line somebody on the wire may change: `tamper(step, line)` with
/// steps 0 to 3.
pub(crate) fn through(mut tamper: impl FnMut(usize, &mut String)) -> (Seen, Ends) {
    let (hello, host) = host(SECRET, HOST_NONCE);
    let mut seen = Seen {
        hello,
        answer: String::new(),
        prove: String::new(),
        ready: String::new(),
    };
    tamper(0, &mut seen.hello);
    let welcome = match plugin(SECRET, PLUGIN_NONCE).hello(&seen.hello) {
        Ok(welcome) => welcome,
        Err(refused) => {
            let host = host.answer(refused.line.as_deref().unwrap_or(""));
            let host = host.map(|_| unreachable!("a refusal is no answer"));
            let plugin = Err(refused.error);
            return (seen, Ends { host, plugin });
        }
    };
    (seen.answer, seen.prove) = (welcome.answer, welcome.prove);
    tamper(1, &mut seen.answer);
    tamper(2, &mut seen.prove);
    let proved = host
        .answer(&seen.answer)
        .and_then(|host| host.prove(&seen.prove));
    let host = proved.map(|(ready, verified)| {
        seen.ready = ready;
        verified
    });
    tamper(3, &mut seen.ready);
    let plugin = welcome.next.ready(&seen.ready);
    (seen, Ends { host, plugin })
}

/// A small generator of numbers that are the same in every run (xorshift64*).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Changes a line in one of several ways; the result may equal it.
    pub(crate) fn mutate(&mut self, line: &mut String) {
        let mut bytes = std::mem::take(line).into_bytes();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(7),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.insert(at, b" \"{}[],:0aA-_"[self.below(13)]),
                3 => bytes.truncate(at),
                4 if !bytes.is_empty() => bytes[at] = b"0123456789abcdefAZ-_"[self.below(20)],
                _ => {
                    let to = at + self.below(bytes.len() - at + 1);
                    let piece = bytes[at..to].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        *line = String::from_utf8_lossy(&bytes).into_owned();
    }
}
