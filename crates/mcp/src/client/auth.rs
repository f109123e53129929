//! Signing in to a server with OAuth: as the server's challenge says, never by a shell.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use rmcp::transport::auth::OAuthState;
use rmcp::transport::{AuthorizationManager, AuthorizationRequest};

/// Takes a person through the authorization page.
///
/// Implemented by an embedder. Contract: `authorize` gets an address that was checked to be `https`, or
/// `http` on this machine; it shows it to a person and gives back the whole address to which the page
/// led in the end. It never opens it through a shell.
#[async_trait]
pub trait Authorizer: Send + Sync + 'static {
    /// Shows the page and gives back where it led.
    ///
    /// # Errors
    /// A text, when nobody signed in.
    async fn authorize(&self, page: &str) -> Result<String, String>;
}

/// Who this client is to authorization servers, and who signs in.
#[derive(Clone)]
#[must_use = "give it to a connection"]
pub struct OAuthClient {
    redirect: String,
    authorizer: Arc<dyn Authorizer>,
    id: Option<String>,
    secret: Option<String>,
    document: Option<String>,
    name: String,
}

impl OAuthClient {
    /// Makes a client that registers itself where it has to.
    pub fn new(redirect: impl Into<String>, authorizer: impl Authorizer) -> Self {
        Self {
            redirect: redirect.into(),
            authorizer: Arc::new(authorizer),
            id: None,
            secret: None,
            document: None,
            name: "keyway".to_owned(),
        }
    }

    /// Uses an id that was registered before, with its secret where it has one.
    pub fn registered(mut self, id: impl Into<String>, secret: Option<String>) -> Self {
        self.id = Some(id.into());
        self.secret = secret;
        self
    }

    /// Uses the address of a client metadata document where the server takes one.
    pub fn document(mut self, url: impl Into<String>) -> Self {
        self.document = Some(url.into());
        self
    }

    /// Signs in, as a challenge says. Addresses that the challenge and the metadata name may lead to
    /// no private address unless the server is at one itself.
    pub(super) async fn authorize(
        &self,
        url: &str,
        challenge: &str,
    ) -> Result<AuthorizationManager, String> {
        crate::tls::provide();
        let mut state = OAuthState::new(url, None)
            .await
            .map_err(|e| super::request::deep(&e))?;
        let request = self.request(challenge);
        let started = state.start_authorization(request).await;
        started.map_err(|e| super::request::deep(&e))?;
        let page = state
            .get_authorization_url()
            .await
            .map_err(|e| super::request::deep(&e))?;
        check_page(&page)?;
        let led_to = self.authorizer.authorize(&page).await?;
        let done = state.handle_callback_url(&led_to).await;
        done.map_err(|e| super::request::deep(&e))?;
        let manager = state.into_authorization_manager();
        manager.ok_or_else(|| "the sign-in did not end".to_owned())
    }

    fn request(&self, challenge: &str) -> AuthorizationRequest {
        let mut request = AuthorizationRequest::new(self.redirect.clone())
            .with_client_name(self.name.clone())
            .with_challenge(challenge);
        if let Some(id) = &self.id {
            request = request.with_preregistered_client(id.clone());
        }
        if let Some(secret) = &self.secret {
            request = request.with_client_secret(secret.clone());
        }
        if let Some(document) = &self.document {
            request = request.with_client_metadata_url(document.clone());
        }
        request
    }
}

/// A page is shown to a person, so it is a web page and nothing else (attack T39).
fn check_page(page: &str) -> Result<(), String> {
    crate::config::check_address(page).map_err(|e| e.to_string())
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("redirect", &self.redirect)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
