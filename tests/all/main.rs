//! Behaviour tests of the keyway workspace: one package, one binary, a folder per subject.

mod audit;
mod authoring;
mod catalog;
mod cli;
mod effects;
mod gate;
mod host;
mod manifest;
mod quickstart;
mod schema;
mod support;
mod tidy;
