//! Plugins compiled into the host binary and found without being named.
//!
//! A plugin crate that is listed in `Cargo.toml` but never named in code is dropped by the
//! linker and registers nothing; write `use my_plugin as _;` in the binary.

use crate::Plugin;

/// A plugin that was submitted with [`submit_plugin!`](crate::submit_plugin).
#[derive(Debug, Clone, Copy)]
pub struct LinkedPlugin {
    make: fn() -> Box<dyn Plugin>,
}

impl LinkedPlugin {
    /// Wraps a constructor. [`submit_plugin!`](crate::submit_plugin) calls it.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(make: fn() -> Box<dyn Plugin>) -> Self {
        Self { make }
    }

    /// Makes the plugin.
    #[must_use]
    pub fn make(&self) -> Box<dyn Plugin> {
        (self.make)()
    }
}

inventory::collect!(LinkedPlugin);

/// Returns every submitted plugin, in no particular order.
pub fn linked_plugins() -> impl Iterator<Item = &'static LinkedPlugin> {
    inventory::iter::<LinkedPlugin>()
}

/// Submits a plugin, so that a host that links this crate finds it.
///
/// Finding is not trusting: a linked plugin waits for approval like any other.
#[macro_export]
macro_rules! submit_plugin {
    ($make:expr) => {
        $crate::__private::inventory::submit! {
            $crate::LinkedPlugin::new(|| ::std::boxed::Box::new($make))
        }
    };
}
