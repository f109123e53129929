//! Values as text for people. Nothing here reads or decides.

mod call;
mod info;
mod list;
mod record;
mod request;
mod status;
mod table;
mod time;
mod tool;

pub(crate) use call::calls;
pub(crate) use info::{grants, info};
pub(crate) use list::{list, proposals, rules};
pub(crate) use record::{failure, record};
pub(crate) use request::asks;
pub(crate) use tool::{description, explanation, rest, tools};
