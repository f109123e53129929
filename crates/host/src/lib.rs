//! An embeddable plugin platform for agent runtimes.

pub mod audit;
pub mod catalog;
pub mod clock;
pub mod digest;
pub mod lifecycle;
pub mod limits;
pub mod operator;
pub mod rank;
pub mod schema;
pub mod scope;
pub mod store;
pub mod text;
