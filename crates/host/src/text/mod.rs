//! What people and models are shown of the text that plugins bring.
//!
//! Everything a plugin writes may try to act on its reader: escape sequences on an operator's
//! terminal, invisible characters and instructions on a model. This module makes text harmless to
//! print ([`printable`]), refuses what hides ([`check_visible`]), finds names that look alike
//! ([`skeleton`]), lists every string a model could read ([`inventory`]), says how two
//! descriptions differ ([`changes`]) and points at those that
//! read like instructions ([`lint`]). The linter informs an operator; nothing that is enforced
//! depends on it. Digests are taken over the original bytes, never over what is printed.

mod change;
mod inventory;
mod lint;
mod phrases;
mod printable;
mod skeleton;
mod visible;

pub use change::changes;
pub use inventory::inventory;
pub(crate) use inventory::strings;
pub use lint::{LintFinding, LintRule, lint};
pub use printable::{EXCERPT_CHARS, excerpt, is_unsafe, printable, printable_lines};
pub use skeleton::skeleton;
pub use visible::{TextProblem, check_descriptor_visible, check_visible};
