//! Keeps the secrets of a request out of what the plugin gets back.
//!
//! A plugin holds the right to use a secret, not to know it, and many servers say back what they
//! were sent. This holds against a server that echoes; it cannot hold against one that works
//! together with the plugin and says the secret in a way of its own.

use keyway_host::audit::Redactor;
use keyway_plugin_api::{HttpResponse, SecretValue, ToolError};

/// The secrets that one request carries.
#[derive(Debug, Default)]
pub(super) struct Echo {
    redactor: Redactor,
    knows_any: bool,
}

impl Echo {
    /// Learns a secret before it is sent; tells whether it will be found.
    pub(super) fn learn(&mut self, secret: &SecretValue) -> bool {
        self.knows_any = true;
        self.redactor.learn(secret)
    }

    /// Tells whether the request carries a secret.
    pub(super) fn knows_any(&self) -> bool {
        self.knows_any
    }

    /// Returns the answer without the secrets in it.
    pub(super) fn scrubbed(&self, response: HttpResponse) -> HttpResponse {
        if !self.knows_any {
            return response;
        }
        let scrub = |text: String| self.redactor.redact(&text).into_owned();
        let headers = response.headers.into_iter();
        HttpResponse {
            status: response.status,
            headers: headers.map(|(n, v)| (scrub(n), scrub(v))).collect(),
            body: self.scrubbed_body(response.body),
        }
    }

    /// Returns the error without the secrets in it: a server can put one into a host's name.
    pub(super) fn scrubbed_error(&self, mut error: ToolError) -> ToolError {
        let scrub = |text: &mut String| *text = self.redactor.redact(text).into_owned();
        scrub(&mut error.message);
        if let Some(denial) = &mut error.denial {
            scrub(&mut denial.asked);
        }
        error
    }

    /// Bytes that are no text are searched as if each were a character: a secret is ASCII.
    fn scrubbed_body(&self, body: Vec<u8>) -> Vec<u8> {
        match String::from_utf8(body) {
            Ok(text) => self.redactor.redact(&text).into_owned().into_bytes(),
            Err(error) => {
                let bytes = error.into_bytes();
                let text: String = bytes.iter().copied().map(char::from).collect();
                let scrubbed = self.redactor.redact(&text);
                let chars = scrubbed.chars();
                chars.filter_map(|c| u8::try_from(c).ok()).collect()
            }
        }
    }
}
