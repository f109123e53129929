//! The host's side.

use super::Verified;
use super::error::{HandshakeError, Step};
use super::keys::{End, Nonce, Secret, Session};
use super::lines::{
    AnswerLine, AnswerResult, HELLO, HELLO_ID, HelloLine, HelloParams, PROVE, ProveLine, READY,
    ReadyLine, ReadyParams, read, write,
};
use super::offer::{Answered, Offer};

/// Begins the host's side of a handshake.
///
/// ```
/// use keyway_channel::handshake::{
///     ContentDigest, HostHello, Nonce, Offer, OfferedPlugin, PluginHello, PluginIdentity, Secret,
/// };
/// use keyway_plugin_api::{PluginId, plugin_api_version};
/// let id = PluginId::parse("notes")?;
/// let digest = ContentDigest::from_bytes([7; 32]);
/// let plugin = OfferedPlugin { id: id.clone(), version: "1.0.0".parse()?, digest };
/// let offer = Offer::new(plugin, vec![plugin_api_version()]);
/// let api = (">=0.1, <0.2".parse()?, plugin_api_version());
/// let identity = PluginIdentity::new((id, "1.0.0".parse()?), api, "an example");
///
/// let host_secret = Secret::draw()?;
/// let plugin_secret = Secret::take(&mut host_secret.expose().to_vec()).unwrap();
/// let (hello, host) = HostHello::begin(host_secret, offer, Nonce::draw()?)?;
/// let plugin = PluginHello::begin(plugin_secret, identity, Nonce::draw()?);
/// let welcome = plugin.hello(&hello).map_err(|refused| refused.error)?;
/// let (ready, _verified) = host.answer(&welcome.answer)?.prove(&welcome.prove)?;
/// let verified = welcome.next.ready(&ready)?;
/// assert_eq!(verified.answered().ipc, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for the beginning")]
pub struct HostHello;

impl HostHello {
    /// Writes the hello (without its line feed) and waits for its answer.
    ///
    /// # Errors
    /// [`HandshakeError::Malformed`] when the offer does not fit into a message.
    pub fn begin(
        secret: Secret,
        offer: Offer,
        nonce: Nonce,
    ) -> Result<(String, AwaitingAnswer), HandshakeError> {
        let params = HelloParams { offer, nonce };
        let line = HelloLine::call(Some(HELLO_ID), HELLO, params);
        let hello = write(Step::Hello, &line)?;
        let offer = line.into_params(Step::Hello, Some(HELLO_ID), HELLO)?.offer;
        let next = AwaitingAnswer {
            secret,
            offer,
            nonce,
            hello: hello.clone(),
        };
        Ok((hello, next))
    }
}

/// The hello is sent; line 2 comes next.
#[derive(Debug)]
pub struct AwaitingAnswer {
    secret: Secret,
    offer: Offer,
    nonce: Nonce,
    hello: String,
}

impl AwaitingAnswer {
    /// Reads the plugin's answer, without its line feed, byte for byte as it came.
    ///
    /// # Errors
    /// [`HandshakeError::NotAPlugin`] for a line that is no JSON object; otherwise the variant
    /// says what does not fit.
    pub fn answer(self, line: &str) -> Result<AwaitingProof, HandshakeError> {
        if serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(line).is_err() {
            return Err(HandshakeError::not_a_plugin(line.as_bytes()));
        }
        let AnswerResult { answered, nonce } = take_result(read(Step::Answer, line)?)?;
        check(&self.offer, &answered)?;
        if nonce == self.nonce {
            return Err(HandshakeError::Downgrade { what: "nonce" });
        }
        let lines = (self.hello.as_str(), line);
        let session = Session::derive(self.secret, (self.nonce, nonce), lines)
            .ok_or_else(|| HandshakeError::malformed(Step::Answer, "bug in keyway"))?;
        Ok(AwaitingProof {
            offer: self.offer,
            answered,
            session,
        })
    }
}

fn take_result(line: AnswerLine) -> Result<AnswerResult, HandshakeError> {
    if line.jsonrpc != "2.0" || line.id != Some(HELLO_ID) || line.method.is_some() {
        let problem = "it does not answer `keyway/hello`";
        return Err(HandshakeError::malformed(Step::Answer, problem));
    }
    match (line.result, line.error) {
        (Some(result), None) => Ok(result),
        (None, Some(error)) => Err(HandshakeError::of_peer(&error)),
        _ => Err(HandshakeError::malformed(
            Step::Answer,
            "it has neither a result nor an error, or both",
        )),
    }
}

fn check(offer: &Offer, answered: &Answered) -> Result<(), HandshakeError> {
    if !offer.ipc.contains(&answered.ipc) {
        return Err(HandshakeError::IpcVersion {
            offered: offer.ipc.clone(),
            spoken: vec![answered.ipc],
        });
    }
    if !offer.api.contains(&answered.api) {
        let chosen = answered.api.clone();
        return Err(HandshakeError::ApiNotOffered { chosen });
    }
    let (expected, found) = (&offer.plugin, &answered.plugin);
    if (&expected.id, &expected.version) != (&found.id, &found.version) {
        return Err(HandshakeError::identity(
            (&expected.id, &expected.version),
            (&found.id, &found.version),
        ));
    }
    if !answered.features.is_subset(&offer.features) {
        return Err(HandshakeError::Downgrade { what: "features" });
    }
    if !offer.auth.contains(&answered.auth) {
        return Err(HandshakeError::Downgrade { what: "auth" });
    }
    Ok(())
}

/// The answer fits; line 3 comes next.
#[derive(Debug)]
pub struct AwaitingProof {
    offer: Offer,
    answered: Answered,
    session: Session,
}

impl AwaitingProof {
    /// Reads the plugin's proof and writes the host's own: line 4, without its line feed.
    ///
    /// # Errors
    /// [`HandshakeError::BadMac`], [`HandshakeError::Malformed`].
    pub fn prove(self, line: &str) -> Result<(String, Verified), HandshakeError> {
        let proof: ProveLine = read(Step::Prove, line)?;
        let tag = proof.into_params(Step::Prove, None, PROVE)?.mac;
        if !self.session.verifies(End::Plugin, tag) {
            return Err(HandshakeError::BadMac { step: Step::Prove });
        }
        let params = ReadyParams {
            mac: self.session.tag(End::Host),
            tools_expected: self.offer.tools_expected,
        };
        let ready = write(Step::Ready, &ReadyLine::call(None, READY, params))?;
        let verified = Verified {
            offer: self.offer,
            answered: self.answered,
            export: self.session.into_export_key(),
        };
        Ok((ready, verified))
    }
}
