//! Rules about the repository itself that no lint checks.

mod arrows;
mod files;
