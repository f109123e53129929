//! What people and models are shown of the text a plugin brings.
mod printable;
pub use printable::{excerpt, is_unsafe, printable, printable_lines};
