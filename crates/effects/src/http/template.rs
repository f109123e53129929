//! The headers of a request, with the secrets in them.

use keyway_host::audit::Redactor;
use keyway_host::gate::{HeaderTemplate, TemplatePart};
use keyway_plugin_api::SecretValue;
use ureq::http::{HeaderName, HeaderValue};

use super::echo::Echo;
use super::{Asker, HttpError};
use crate::EffectLimits;

/// Headers that frame the message or the connection, which are the host's to write.
const FRAMING: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// One header as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) name: HeaderName,
    /// Marked as sensitive when there is a secret in it.
    pub(super) value: HeaderValue,
}

impl Header {
    /// Tells whether the header is for one server only.
    pub(super) fn is_for_one_origin(&self) -> bool {
        let known = ["authorization", "cookie", "cookie2", "proxy-authorization"];
        self.value.is_sensitive() || known.contains(&self.name.as_str())
    }
}

/// Fills in the secrets. The gate has said yes to each; what goes beyond the grant is refused here
/// again. Whoever scrubs the answer learns a value before it is sent.
pub(super) fn filled(
    asker: &Asker<'_>,
    headers: &[(String, String)],
    limits: &EffectLimits,
    echo: &mut Echo,
) -> Result<Vec<Header>, HttpError> {
    if headers.len() > limits.http_headers {
        let limit = limits.http_headers;
        return Err(HttpError::TooLarge {
            what: "headers",
            limit,
        });
    }
    let mut filled = Vec::with_capacity(headers.len());
    let mut bytes = 0;
    for (name, template) in headers {
        let header = fill(asker, name, template, echo)?;
        bytes += name.len() + header.value.len();
        filled.push(header);
    }
    if bytes > limits.http_header_bytes {
        return Err(HttpError::TooLarge {
            what: "headers' bytes",
            limit: limits.http_header_bytes,
        });
    }
    let is_range = |h: &Header| ["range", "if-range"].contains(&h.name.as_str());
    match filled.iter().find(|h| is_range(h)) {
        Some(range) if echo.knows_any() => Err(refused(
            range.name.as_str(),
            "a part of an answer could be a part of the secret that goes with it",
        )),
        _ => Ok(filled),
    }
}

fn fill(
    asker: &Asker<'_>,
    name: &str,
    template: &str,
    echo: &mut Echo,
) -> Result<Header, HttpError> {
    let parsed = HeaderName::from_bytes(name.as_bytes());
    let parsed = parsed.map_err(|_| refused(name, "it is no header name"))?;
    let framing = FRAMING.contains(&parsed.as_str()) || parsed.as_str().starts_with("proxy-");
    if framing {
        return Err(refused(name, "the host writes it"));
    }
    let mut text = String::new();
    let mut is_secret = false;
    for part in HeaderTemplate::parse(template)?.parts() {
        match part {
            TemplatePart::Text(part) => text.push_str(part),
            TemplatePart::Secret(secret) => {
                is_secret = true;
                text.push_str(read(asker, secret, echo)?.expose());
            }
        }
    }
    let value = HeaderValue::from_str(&text).ok();
    let value = value.filter(|_| text.is_ascii());
    let mut value = value.ok_or_else(|| refused(name, "its value is not printable ASCII"))?;
    value.set_sensitive(is_secret);
    Ok(Header {
        name: parsed,
        value,
    })
}

fn read(asker: &Asker<'_>, name: &str, echo: &mut Echo) -> Result<SecretValue, HttpError> {
    let unfit = |problem| HttpError::Secret {
        name: name.to_owned(),
        problem,
    };
    if !asker.within.iter().any(|c| c.allows_secret(name)) {
        return Err(unfit("the grant does not cover it"));
    }
    let value = asker.secrets.read(name);
    let value = value.map_err(|_| unfit("it is not available now"))?;
    let value = value.ok_or_else(|| unfit("the host has none of that name"))?;
    asker.redactor.learn(&value);
    match echo.learn(&value) {
        true => Ok(value),
        false => Err(unfit(TOO_SHORT)),
    }
}

const TOO_SHORT: &str = "it is too short to be kept out of an answer";
const _: () = assert!(Redactor::SHORTEST == 4, "the documentation says four bytes");

fn refused(name: &str, rule: &'static str) -> HttpError {
    HttpError::Header {
        name: keyway_host::text::excerpt(name).into_owned(),
        rule,
    }
}
