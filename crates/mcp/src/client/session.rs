//! One live connection: the peer, what is behind it, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use keyway_host::runtime::Enforcement;
use rmcp::RoleClient;
use rmcp::service::{Peer, RunningService};
use tokio::sync::{Notify, watch};

use super::handler::Handler;
use super::launcher::{Child, LastWords};
use super::shelf::Shelf;
use crate::span::Wire;

/// How long a server has to go by itself once its input is closed.
const GRACE: Duration = Duration::from_secs(2);

/// A connection; the last clone that is dropped ends it.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) peer: Peer<RoleClient>,
    pub(crate) handler: Arc<Handler>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) enforcement: Enforcement,
    pub(crate) wire: Arc<Wire>,
    /// The version of the protocol that is spoken.
    pub(crate) protocol: Arc<str>,
    ended: watch::Receiver<Option<String>>,
    _end: Arc<EndOnDrop>,
    stop: Arc<Notify>,
}

struct EndOnDrop(Arc<Notify>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// The process behind a connection, where there is one.
pub(crate) struct Process {
    pub(crate) child: Box<dyn Child>,
    pub(crate) words: LastWords,
    pub(crate) enforcement: Enforcement,
}

impl Session {
    pub(crate) fn watch_over(
        service: RunningService<RoleClient, Arc<Handler>>,
        shelf: Arc<Shelf>,
        process: Option<Process>,
        (wire, protocol): (Wire, &str),
    ) -> Self {
        let stop = Arc::new(Notify::new());
        let (say, ended) = watch::channel(None);
        let session = Self {
            peer: service.peer().clone(),
            handler: Arc::clone(service.service()),
            shelf,
            enforcement: process
                .as_ref()
                .map_or(Enforcement::Declared, |p| p.enforcement),
            wire: Arc::new(wire),
            protocol: Arc::from(protocol),
            ended,
            _end: Arc::new(EndOnDrop(Arc::clone(&stop))),
            stop: Arc::clone(&stop),
        };
        tokio::spawn(async move {
            let how = run(service, process, &stop).await;
            say.send_replace(Some(how));
        });
        session
    }

    pub(crate) fn ended(&self) -> watch::Receiver<Option<String>> {
        self.ended.clone()
    }

    /// How it ended, where it did.
    pub(crate) fn end(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// Waits a moment for the reason of an end that is under way.
    pub(crate) async fn end_soon(&self) -> String {
        let mut ended = self.ended.clone();
        let seen = tokio::time::timeout(GRACE, ended.wait_for(Option::is_some)).await;
        let how = seen.ok().and_then(Result::ok).and_then(|how| how.clone());
        how.unwrap_or_else(|| "the connection is closed".to_owned())
    }

    pub(crate) async fn close(&self) {
        self.stop.notify_one();
        let mut ended = self.ended.clone();
        let _waited = tokio::time::timeout(GRACE * 3, ended.wait_for(Option::is_some)).await;
    }
}

/// Keeps a connection until it ends or is to end; gives back how it ended.
async fn run(
    service: RunningService<RoleClient, Arc<Handler>>,
    process: Option<Process>,
    stop: &Notify,
) -> String {
    let token = service.cancellation_token();
    let mut service = Box::pin(service.waiting());
    let is_wanted = tokio::select! {
        _ = &mut service => false,
        () = stop.notified() => {
            token.cancel();
            let _quit = tokio::time::timeout(GRACE, &mut service).await;
            true
        }
    };
    let Some(mut process) = process else {
        return said(is_wanted, "the connection was closed");
    };
    // Its input is closed now: a server goes by itself, or is made to.
    let status = match tokio::time::timeout(GRACE, process.child.wait()).await {
        Ok(status) => status,
        Err(_) => "it closed its output and did not go".to_owned(),
    };
    process.child.kill().await;
    let words = process.words.last(3).await;
    let words = if words.is_empty() {
        String::new()
    } else {
        format!("; it last wrote: {words}")
    };
    said(is_wanted, &format!("{status}{words}"))
}

fn said(is_wanted: bool, how: &str) -> String {
    match is_wanted {
        true => "it was stopped".to_owned(),
        false => how.to_owned(),
    }
}
