//! The manifest: the author's checked declaration, parsed once from `plugin.json`.

mod types;

pub use types::{
    Activation, Contributions, Dependency, Manifest, RuntimeKind, RuntimeSpec, StateSpec,
    ToolContribution,
};
