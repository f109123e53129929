//! What a linked plugin asks its host for outside calls.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use keyway_plugin_api::{
    CallCx, EffectReply, EffectRequest, Plugin, Register, RegisterError, ToolError, ToolErrorKind,
    async_trait,
};
use keyway_test_support::TestHost;

/// Keeps what it may ask through, and stops when it was told to.
#[derive(Clone, Default)]
struct Alone {
    background: Arc<Mutex<Option<CallCx>>>,
    is_told: Arc<AtomicBool>,
}

impl Alone {
    fn cx(&self) -> CallCx {
        self.background.lock().unwrap().clone().unwrap()
    }

    async fn ask(&self) -> Result<EffectReply, ToolError> {
        let key = "k".to_owned();
        self.cx().perform(EffectRequest::StateGet { key }).await
    }
}

#[async_trait]
impl Plugin for Alone {
    fn manifest(&self) -> Cow<'static, str> {
        r#"{ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": "alone", "version": "0.1.0", "extensions": { "dev.keyway": {
              "api": ">=0.1, <0.2", "runtime": { "kind": "linked" },
              "capabilities": [
                { "kind": "state", "quotaBytes": 1000, "background": true } ] } } }"#
            .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        *self.background.lock().unwrap() = Some(ctx.background());
        Ok(())
    }

    async fn stop(&self) {
        self.cx().cancelled().await;
        self.is_told.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_works_outside_calls_is_told_to_end_before_its_plugin_stops_and_asks_nothing_after() {
    let plugin = Alone::default();
    let host = TestHost::with(plugin.clone()).await;
    assert_eq!(plugin.ask().await.unwrap(), EffectReply::Bytes(None));
    host.disable("alone").await;
    assert!(plugin.is_told.load(Ordering::SeqCst), "`stop` came back");
    let refused = plugin.ask().await.unwrap_err();
    assert_eq!(refused.kind, ToolErrorKind::Cancelled);
    // Another start asks through something else.
    host.enable("alone").await;
    assert!(plugin.ask().await.is_ok());
}
