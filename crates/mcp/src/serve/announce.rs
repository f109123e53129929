//! Telling clients that something changed.

use tokio::sync::broadcast;

/// News that may wait for a slow client; it hears of the newest.
const WAITING: usize = 64;

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    Prompts,
    Resource(String),
    Resources,
    Tools,
}

/// Tells clients that prompts or resources changed. Cloning is cheap.
///
/// ```no_run
/// # fn doc(endpoint: &keyway_mcp::Endpoint) {
/// let announcer = endpoint.announcer();
/// announcer.resource_changed("notes://today");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Announcer(broadcast::Sender<News>);

impl Announcer {
    pub(super) fn new() -> Self {
        Self(broadcast::channel(WAITING).0)
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<News> {
        self.0.subscribe()
    }

    /// Tells that the list of prompts changed.
    pub fn prompts_changed(&self) {
        self.tell(News::Prompts);
    }

    /// Tells that the list of resources changed.
    pub fn resources_changed(&self) {
        self.tell(News::Resources);
    }

    /// Tells that one resource changed.
    pub fn resource_changed(&self, uri: impl Into<String>) {
        self.tell(News::Resource(uri.into()));
    }

    /// Tells that the list of tools changed. The host's own changes are told without it.
    pub fn tools_changed(&self) {
        self.tell(News::Tools);
    }

    fn tell(&self, news: News) {
        // Nobody may be listening.
        let _heard = self.0.send(news);
    }
}
