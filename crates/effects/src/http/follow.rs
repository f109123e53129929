//! From request to request: every redirect is asked about and vetted like the first one.

use keyway_host::gate::HttpAddress;
use ureq::http::Method;

use super::HttpError;
use super::send::{Answer, Outgoing};

/// Returns the request that an answer redirects to; `None` when the answer is the last one.
pub(super) fn next(outgoing: &Outgoing, answer: &Answer) -> Result<Option<Outgoing>, HttpError> {
    let Some(location) = answer.location() else {
        return Ok(None);
    };
    let refused = |problem| HttpError::Redirect {
        host: outgoing.host().to_owned(),
        problem,
    };
    let address = outgoing.address.join(location?);
    let address = address.map_err(|_| refused("its address is malformed"))?;
    if outgoing.address.is_encrypted() && !address.is_encrypted() {
        return Err(refused("it leaves encryption"));
    }
    Ok(Some(redirected(outgoing, address, answer.status())))
}

fn redirected(outgoing: &Outgoing, address: HttpAddress, status: u16) -> Outgoing {
    let mut next = outgoing.clone();
    if !address.is_same_origin(&outgoing.address) {
        next.headers.retain(|header| !header.is_for_one_origin());
    }
    if becomes_get(&outgoing.method, status) {
        next.method = Method::GET;
        next.body = None;
        let of_body = |name: &str| name.starts_with("content-");
        next.headers.retain(|header| !of_body(header.name.as_str()));
    }
    next.address = address;
    next
}

/// As browsers do: 303 asks for something else, 301 and 302 do after a POST.
fn becomes_get(method: &Method, status: u16) -> bool {
    match status {
        303 => !matches!(*method, Method::GET | Method::HEAD),
        301 | 302 => *method == Method::POST,
        _ => false,
    }
}
