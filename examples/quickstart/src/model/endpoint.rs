//! Where the model is and with which key: read from the environment, checked once.

use std::fmt;

use keyway_plugin_api::SecretValue;
use ureq::http::Uri;

use super::ModelError;

/// The model that is asked for when `OPENAI_MODEL` is not set.
const DEFAULT_MODEL: &str = "gpt-5-mini";
const INCOMPLETE: &str = "it needs https:// and a host name";

/// A checked endpoint. Its `Debug` form does not hold the key.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(super) chat_url: String,
    pub(super) model: String,
    pub(super) key: Option<SecretValue>,
    pub(super) is_local: bool,
}

impl Endpoint {
    /// Reads `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `OPENAI_MODEL`; `None` without the first.
    ///
    /// # Errors
    /// [`ModelError::Settings`] naming the variable.
    pub(crate) fn from_env(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ModelError> {
        let read = |name| variable(name).map(|v| v.trim().to_owned());
        let Some(base) = read("OPENAI_BASE_URL").filter(|v| !v.is_empty()) else {
            return Ok(None);
        };
        let key = read("OPENAI_API_KEY").filter(|v| !v.is_empty());
        let model = read("OPENAI_MODEL").filter(|v| !v.is_empty());
        let (chat_url, is_local) = chat_url(&base, key.is_some())?;
        Ok(Some(Self {
            chat_url,
            model: model.unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            key: key.map(checked_key).transpose()?,
            is_local,
        }))
    }

    /// Removes the key from a text that came from outside.
    pub(super) fn without_key(&self, text: &str) -> String {
        match &self.key {
            Some(key) => text.replace(key.expose(), "[redacted]"),
            None => text.to_owned(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.model, self.chat_url)
    }
}

/// Returns the address to post to and whether it is on this machine.
fn chat_url(base: &str, has_key: bool) -> Result<(String, bool), ModelError> {
    let wrong = |problem: &str| ModelError::Settings {
        variable: "OPENAI_BASE_URL",
        problem: problem.to_owned(),
    };
    let uri: Uri = base.parse().map_err(|_| wrong(INCOMPLETE))?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(wrong(INCOMPLETE));
    };
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) || uri.query().is_some() {
        return Err(wrong("it holds a user name, a password or a query"));
    }
    let is_local = is_loopback(host);
    match scheme {
        "https" => {}
        "http" if is_local || !has_key => {}
        "http" => return Err(wrong("http would send the key in the clear")),
        _ => return Err(wrong("only https and http are spoken")),
    }
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/chat/completions").unwrap_or(base);
    Ok((format!("{base}/chat/completions"), is_local))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn checked_key(key: String) -> Result<SecretValue, ModelError> {
    if key.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(SecretValue::new(key));
    }
    Err(ModelError::Settings {
        variable: "OPENAI_API_KEY",
        problem: "it holds a space, a line break or a character outside ASCII".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_MODEL, Endpoint};
    use crate::model::ModelError;

    #[track_caller]
    fn read(base: &str, key: &str, model: &str) -> Result<Option<Endpoint>, ModelError> {
        Endpoint::from_env(|name| {
            Some(match name {
                "OPENAI_BASE_URL" => base.to_owned(),
                "OPENAI_API_KEY" => key.to_owned(),
                _ => model.to_owned(),
            })
        })
    }

    #[test]
    fn an_endpoint_is_read_from_the_environment() {
        assert!(Endpoint::from_env(|_| None).unwrap().is_none());
        assert!(read(" ", "k", "m").unwrap().is_none());
        for (base, url) in [
            (
                "https://a.example/v1",
                "https://a.example/v1/chat/completions",
            ),
            (
                "https://a.example/v1/",
                "https://a.example/v1/chat/completions",
            ),
            (
                "http://127.0.0.1:8080",
                "http://127.0.0.1:8080/chat/completions",
            ),
            (
                "http://[::1]:1/v1/chat/completions",
                "http://[::1]:1/v1/chat/completions",
            ),
        ] {
            assert_eq!(read(base, "k", "m").unwrap().unwrap().chat_url, url);
        }
        let endpoint = read("http://localhost:1", "", "").unwrap().unwrap();
        assert_eq!(endpoint.model, DEFAULT_MODEL);
        assert!(endpoint.key.is_none());
    }

    #[test]
    fn settings_that_would_leak_the_key_or_cannot_work_are_refused() {
        for (base, key, expected) in [
            ("http://far.example/v1", "k", "in the clear"),
            ("http://127.0.0.1.far.example/v1", "k", "in the clear"),
            ("https://me:pw@far.example/v1", "k", "user name"),
            ("ftp://far.example", "k", "only https"),
            ("far.example/v1", "k", "needs https"),
            ("https://far.example/v1", "two\nlines", "line break"),
        ] {
            let error = read(base, key, "m").unwrap_err();
            assert!(error.to_string().contains(expected), "{base}: {error}");
            assert!(!error.to_string().contains("two"));
            assert!(error.hint().contains("OPENAI_"));
        }
    }

    #[test]
    fn the_key_is_in_no_printed_form() {
        let endpoint = read("https://a.example", "sk-1234567", "m")
            .unwrap()
            .unwrap();
        assert!(!format!("{endpoint:?} {endpoint}").contains("1234567"));
        assert_eq!(
            endpoint.without_key("bad key sk-1234567"),
            "bad key [redacted]"
        );
    }
}
