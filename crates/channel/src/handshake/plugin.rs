//! The plugin's side.

use keyway_plugin_api::check_api;

use super::Verified;
use super::error::{HandshakeError, Step};
use super::keys::{End, Nonce, Secret, Session};
use super::lines::{
    AnswerLine, AnswerResult, HELLO, HELLO_ID, HelloLine, HelloParams, PROVE, ProveLine,
    ProveParams, READY, ReadyLine, read, write,
};
use super::offer::{AUTH, Answered, AnsweredPlugin, Offer, PluginIdentity};
use crate::IPC_VERSION;

/// Begins the plugin's side of a handshake; an example is at [`HostHello`](super::HostHello).
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for the beginning")]
pub struct PluginHello;

impl PluginHello {
    /// Waits for the host's hello.
    #[must_use]
    pub fn begin(secret: Secret, identity: PluginIdentity, nonce: Nonce) -> AwaitingHello {
        AwaitingHello {
            secret,
            identity,
            nonce,
        }
    }
}

/// Nothing is read yet; line 1 comes next.
#[derive(Debug)]
pub struct AwaitingHello {
    secret: Secret,
    identity: PluginIdentity,
    nonce: Nonce,
}

/// The two lines that follow a good hello, and the state that waits for line 4.
#[derive(Debug)]
#[non_exhaustive]
pub struct Welcome {
    /// Line 2, without its line feed.
    pub answer: String,
    /// Line 3, without its line feed.
    pub prove: String,
    /// What waits for line 4.
    pub next: AwaitingReady,
}

/// Why a hello was refused, and what to tell the host before exiting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct Refused {
    /// The line to send, without its line feed; `None` when the hello was no request at all.
    pub line: Option<String>,
    /// The reason.
    #[source]
    pub error: HandshakeError,
}

impl AwaitingHello {
    /// Reads the host's hello, without its line feed, byte for byte as it came.
    ///
    /// # Errors
    /// [`Refused`], with the reason and the line to send.
    pub fn hello(self, line: &str) -> Result<Welcome, Refused> {
        let HelloParams { offer, nonce } = read(Step::Hello, line)
            .and_then(|hello: HelloLine| hello.into_params(Step::Hello, Some(HELLO_ID), HELLO))
            .map_err(|error| Refused { line: None, error })?;
        self.answer(line, offer, nonce).map_err(|error| {
            let answer = AnswerLine::answer(Err(error.to_rpc()));
            let line = write(Step::Answer, &answer).ok();
            Refused { line, error }
        })
    }

    fn answer(
        self,
        hello: &str,
        offer: Offer,
        nonce_host: Nonce,
    ) -> Result<Welcome, HandshakeError> {
        if nonce_host == self.nonce {
            return Err(HandshakeError::Downgrade { what: "nonce" });
        }
        let answered = choose(&offer, self.identity)?;
        let line = AnswerLine::answer(Ok(AnswerResult {
            answered,
            nonce: self.nonce,
        }));
        let answer = write(Step::Answer, &line)?;
        let lines = (hello, answer.as_str());
        let session = Session::derive(self.secret, (nonce_host, self.nonce), lines)
            .ok_or_else(|| HandshakeError::malformed(Step::Hello, "bug in keyway"))?;
        let proof = ProveParams {
            mac: session.tag(End::Plugin),
        };
        let prove = write(Step::Prove, &ProveLine::call(None, PROVE, proof))?;
        let Some(AnswerResult { answered, .. }) = line.result else {
            return Err(HandshakeError::malformed(Step::Answer, "bug in keyway"));
        };
        let next = AwaitingReady {
            offer,
            answered,
            session,
        };
        Ok(Welcome {
            answer,
            prove,
            next,
        })
    }
}

/// Chooses from what the host offers, or says what does not fit.
fn choose(offer: &Offer, identity: PluginIdentity) -> Result<Answered, HandshakeError> {
    if !offer.ipc.contains(&IPC_VERSION) {
        return Err(HandshakeError::IpcVersion {
            offered: offer.ipc.clone(),
            spoken: vec![IPC_VERSION],
        });
    }
    let expected = (&offer.plugin.id, &offer.plugin.version);
    if expected != (&identity.id, &identity.version) {
        let found = (&identity.id, &identity.version);
        return Err(HandshakeError::identity(expected, found));
    }
    if !offer.auth.iter().any(|auth| auth == AUTH) {
        return Err(HandshakeError::Downgrade { what: "auth" });
    }
    let api = check_api(&identity.api, &offer.api)?;
    // The host compares with its own spelling, which may carry a pre-release tag.
    let api = offer
        .api
        .iter()
        .find(|offered| {
            (offered.major, offered.minor, offered.patch) == (api.major, api.minor, api.patch)
        })
        .cloned()
        .unwrap_or(api);
    Ok(Answered {
        ipc: IPC_VERSION,
        api,
        api_built: identity.api_built,
        features: identity
            .features
            .intersection(&offer.features)
            .cloned()
            .collect(),
        plugin: AnsweredPlugin {
            id: identity.id,
            version: identity.version,
        },
        sdk: identity.sdk,
        auth: AUTH.to_owned(),
    })
}

/// Lines 2 and 3 are sent; line 4 comes next.
#[derive(Debug)]
pub struct AwaitingReady {
    offer: Offer,
    answered: Answered,
    session: Session,
}

impl AwaitingReady {
    /// Reads the host's proof.
    ///
    /// # Errors
    /// [`HandshakeError::BadMac`], [`HandshakeError::Malformed`].
    pub fn ready(self, line: &str) -> Result<Verified, HandshakeError> {
        let ready: ReadyLine = read(Step::Ready, line)?;
        let params = ready.into_params(Step::Ready, None, READY)?;
        if !self.session.verifies(End::Host, params.mac) {
            return Err(HandshakeError::BadMac { step: Step::Ready });
        }
        let mut offer = self.offer;
        offer.tools_expected = params.tools_expected;
        Ok(Verified {
            offer,
            answered: self.answered,
            export: self.session.into_export_key(),
        })
    }
}
