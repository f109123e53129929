//! A plugin that is meant to be a process, as code of the test.

use std::borrow::Cow;

use keyway_plugin_api::serde_json::{Value, json};
use keyway_plugin_api::{Plugin, Register, RegisterError, StartFailure, StateEntries, async_trait};

/// Runs a plugin's code where the test runs, whatever its manifest says: a test of its tools needs
/// no program. All else in the manifest stays as it is.
pub(crate) struct Linked<P>(pub(crate) P);

#[async_trait]
impl<P: Plugin> Plugin for Linked<P> {
    fn manifest(&self) -> Cow<'static, str> {
        let text = self.0.manifest();
        match linked(&text) {
            Some(linked) => linked.into(),
            None => text,
        }
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        self.0.register(ctx)
    }

    async fn start(&self) -> Result<(), StartFailure> {
        self.0.start().await
    }

    async fn migrate_state(
        &self,
        from: u32,
        entries: StateEntries,
    ) -> Result<StateEntries, StartFailure> {
        self.0.migrate_state(from, entries).await
    }

    async fn stop(&self) {
        self.0.stop().await;
    }
}

/// Returns the manifest of a process as that of a linked plugin; nothing for any other text, which
/// the host then judges as it is.
fn linked(manifest: &str) -> Option<String> {
    let mut manifest: Value = serde_json::from_str(manifest).ok()?;
    let runtime = manifest.pointer_mut("/extensions/dev.keyway/runtime")?;
    if runtime["kind"] != "process" {
        return None;
    }
    *runtime = json!({ "kind": "linked" });
    Some(manifest.to_string())
}
