//! The handshake, well or badly.

use std::time::Duration;

use keyway_channel::handshake::{Nonce, PluginHello, PluginIdentity, Secret};
use keyway_plugin_api::{PluginId, plugin_api_version};
use semver::{Version, VersionReq};
use serde_json::Value;

use crate::channel::Channel;
use crate::switch::{Switch, Switches};

/// Opens the channel, or misbehaves instead.
pub(crate) fn open(
    mut channel: Channel,
    secret: Secret,
    switches: &Switches,
) -> Result<Channel, String> {
    before(&channel, switches)?;
    let hello = channel.line().ok_or("the host is gone")?;
    let welcome = PluginHello::begin(secret, identity(&hello)?, Nonce::draw().map_err(text)?)
        .hello(&hello)
        .map_err(|refused| refused.to_string())?;
    let answer = match altered(&welcome.answer, &hello, switches)? {
        Some(altered) => altered,
        None => welcome.answer.clone(),
    };
    let prove = match switches.has(Switch::BadMac) {
        true => forged(&welcome.prove)?,
        false => welcome.prove.clone(),
    };
    let lines = lines(&answer, &prove, switches);
    lines.into_iter().for_each(|line| channel.say(line));
    let ready = channel.line().ok_or("the host is gone")?;
    let verified = welcome.next.ready(&ready).map_err(text)?;
    let expected = verified.offer().tools_expected;
    channel.tools_expected = expected.map(|digest| digest.to_string());
    if switches.has(Switch::SecondHello) {
        channel.say(&prove);
    }
    Ok(channel)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape `map_err` asks for"
)]
fn text(error: impl ToString) -> String {
    error.to_string()
}

/// What can go wrong before anything is read.
fn before(channel: &Channel, switches: &Switches) -> Result<(), String> {
    if switches.has(Switch::ExitBeforeHello) {
        return Err("leaving before the hello".to_owned());
    }
    if switches.has(Switch::HangInHandshake) {
        crate::tools::hang();
    }
    if switches.has(Switch::SlowHandshake) {
        for byte in b"{\"jsonrpc\":\"2.0\"" {
            channel.raw(&[*byte]);
            crate::tools::pause(Duration::from_millis(500));
        }
    }
    if switches.has(Switch::GarbageFirstLine) {
        channel.say("Welcome to \u{1b}[31mmy\u{1b}[0m plugin");
    }
    if switches.has(Switch::NotUtf8) {
        channel.raw(b"\xff\xfe{}\n");
    }
    if switches.has(Switch::HugeLine) {
        let chunk = vec![b'x'; 1 << 20];
        (0..64).for_each(|_| channel.raw(&chunk));
    }
    Ok(())
}

/// Takes on the name that the host is looking for.
fn identity(hello: &str) -> Result<PluginIdentity, String> {
    let hello: Value = serde_json::from_str(hello).map_err(text)?;
    let plugin = &hello["params"]["plugin"];
    let field = |name: &str| plugin[name].as_str().unwrap_or_default().to_owned();
    let id = PluginId::parse(&field("id")).map_err(text)?;
    let version: Version = field("version").parse().map_err(text)?;
    let api: VersionReq = ">=0.0.1, <1000".parse().map_err(text)?;
    Ok(PluginIdentity::new(
        (id, version),
        (api, plugin_api_version()),
        "keyway-stress",
    ))
}

/// The answer with one lie in it.
fn altered(answer: &str, hello: &str, switches: &Switches) -> Result<Option<String>, String> {
    let mut line: Value = serde_json::from_str(answer).map_err(text)?;
    let result = &mut line["result"];
    if switches.has(Switch::WrongIpc) {
        result["ipc"] = 99.into();
    } else if switches.has(Switch::WrongApi) {
        result["api"] = "77.0.0".into();
    } else if switches.has(Switch::OtherIdentity) {
        result["plugin"]["id"] = "somebody-else".into();
    } else if switches.has(Switch::ReplayNonce) {
        let hello: Value = serde_json::from_str(hello).map_err(text)?;
        result["nonce"] = hello["params"]["nonce"].clone();
    } else {
        return Ok(None);
    }
    Ok(Some(line.to_string()))
}

/// A request that nobody may make before the channel is open.
const EARLY: &str =
    r#"{"jsonrpc":"2.0","id":"p1","method":"host/state.list","params":{"prefix":""}}"#;

/// The lines of this end, in their turn or out of it.
fn lines<'a>(answer: &'a str, prove: &'a str, switches: &Switches) -> Vec<&'a str> {
    if switches.has(Switch::AnswerTwice) {
        vec![answer, answer, prove]
    } else if switches.has(Switch::ProveFirst) {
        vec![prove, answer]
    } else if switches.has(Switch::RequestEarly) {
        vec![answer, EARLY, prove]
    } else {
        vec![answer, prove]
    }
}

/// The proof with another code in it.
fn forged(prove: &str) -> Result<String, String> {
    let mut line: Value = serde_json::from_str(prove).map_err(text)?;
    line["params"]["mac"] = "A".repeat(43).into();
    Ok(line.to_string())
}
