//! The trace that goes along with requests, and how it joins the spans of this crate.

use rmcp::model::RequestMetaObject;
use tracing::Span;

/// Longest `tracestate` that goes along, in bytes.
const STATE_MAX: usize = 512;
/// Longest `baggage` that goes along, in bytes, which is what W3C asks everybody to carry.
const BAGGAGE_MAX: usize = 8192;

tokio::task_local! {
    static TRACE: TraceContext;
}

/// The trace that a call belongs to, as W3C Trace Context and W3C Baggage write it.
///
/// Set around a call with [`TraceContext::scope`]; requests to servers inside carry it in `_meta`. What
/// comes in with a request to an [`Endpoint`](crate::Endpoint) is set around it, so it goes on to the
/// servers behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
    baggage: Option<String>,
}

impl TraceContext {
    /// Takes a `traceparent` (`00-<32 hex>-<16 hex>-<2 hex>`) and a `tracestate`; `None` for what is
    /// no `traceparent`. A `tracestate` that is none is left out.
    ///
    /// ```
    /// use keyway_mcp::TraceContext;
    /// let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// assert!(TraceContext::parse(parent, None).is_some());
    /// assert!(TraceContext::parse("00-xyz", None).is_none());
    /// ```
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        is_parent(parent).then(|| Self {
            parent: parent.to_owned(),
            state: kept(state, STATE_MAX),
            baggage: None,
        })
    }

    /// Adds a `baggage`; one that is longer than 8,192 bytes or no printable ASCII is left out.
    #[must_use]
    pub fn with_baggage(mut self, baggage: &str) -> Self {
        self.baggage = kept(Some(baggage), BAGGAGE_MAX);
        self
    }

    /// Runs a future inside this trace.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        TRACE.scope(self, future).await
    }

    /// Returns the trace that runs here.
    #[must_use]
    pub fn current() -> Option<Self> {
        TRACE.try_with(Clone::clone).ok()
    }

    /// Returns the `traceparent`.
    #[must_use]
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// Returns the `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Returns the `baggage`.
    #[must_use]
    pub fn baggage(&self) -> Option<&str> {
        self.baggage.as_deref()
    }

    /// Reads what came along with a request.
    pub(crate) fn of_meta(meta: &RequestMetaObject) -> Option<Self> {
        let trace = Self::parse(meta.get_traceparent()?, meta.get_tracestate())?;
        Some(match meta.get_baggage() {
            Some(baggage) => trace.with_baggage(baggage),
            None => trace,
        })
    }

    /// Writes what goes along with a request.
    pub(crate) fn to_meta(&self) -> RequestMetaObject {
        let mut meta = RequestMetaObject::new();
        meta.set_traceparent(self.parent.as_str());
        if let Some(state) = &self.state {
            meta.set_tracestate(state.as_str());
        }
        if let Some(baggage) = &self.baggage {
            meta.set_baggage(baggage.as_str());
        }
        meta
    }
}

fn is_parent(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let is_hex = |part: &&str| {
        part.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let sizes: Vec<_> = parts.iter().map(|part| part.len()).collect();
    let is_nothing = |part: &&str| part.bytes().all(|b| b == b'0');
    sizes == [2, 32, 16, 2]
        && parts.iter().all(is_hex)
        && parts[0] != "ff"
        && !parts[1..3].iter().any(is_nothing)
}

fn kept(text: Option<&str>, longest: usize) -> Option<String> {
    let is_fit = |s: &&str| s.len() <= longest && s.bytes().all(|b| (0x20..0x7f).contains(&b));
    text.filter(is_fit).map(str::to_owned)
}

/// Joins the spans of this crate to a tracer's, so that a trace goes on across the wire: the span of
/// a client's request becomes the parent of the server's.
///
/// A span of `tracing` has no place in a trace by itself; a tracer that subscribes gives it one. With
/// OpenTelemetry's, [`context_of`](Self::context_of) is its propagator's injection of `span.context()`,
/// and [`adopt`](Self::adopt) is `span.set_parent(…)` of what the propagator extracts. Without a link,
/// requests carry what [`TraceContext::scope`] set and what came in, unchanged.
///
/// Contract: both are called once for each request, on the path of the call, and must not block; a
/// span that the subscriber does not want is disabled.
pub trait TraceLink: Send + Sync + 'static {
    /// Returns the place of a span in its trace, which goes along with the request; `None` where it has
    /// none. Baggage that goes on is in it: see [`TraceContext::current`].
    fn context_of(&self, span: &Span) -> Option<TraceContext>;

    /// Makes what came along with a request the parent of its span. The span is new: nothing has
    /// entered it.
    fn adopt(&self, span: &Span, parent: &TraceContext);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_carried_whole_or_not_at_all() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = TraceContext::parse(parent, Some("rojo=1")).unwrap();
        let trace = trace.with_baggage("userId=alice");
        assert_eq!(TraceContext::of_meta(&trace.to_meta()), Some(trace));
        let none = [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ];
        for parent in none {
            assert_eq!(TraceContext::parse(parent, None), None, "{parent}");
        }
    }

    #[test]
    fn s_what_is_too_long_or_not_printable_does_not_go_along() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let long = "x".repeat(BAGGAGE_MAX + 1);
        for text in [&long, "a\r\nb", "ä"] {
            let trace = TraceContext::parse(parent, Some(text)).unwrap();
            let trace = trace.with_baggage(text);
            assert_eq!((trace.state(), trace.baggage()), (None, None), "{text:.9}");
        }
    }
}
