//! The arguments of `#[tool(..)]`.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{LitStr, Path};

use crate::diagnostics::Problems;
use crate::grammar::{self, Argument};

const NAMES: [&str; 5] = ["crate", "effect", "idempotent", "name", "title"];
const EFFECTS: [&str; 4] = ["read", "write", "destructive", "execute"];

const EFFECT_MISSING: &str = "\
`effect` is missing: an operator approves a tool by what it does to the world, so no default is \
safe. Add one of
  effect = read         changes nothing
  effect = write        adds or replaces, and what was there can be had again
  effect = destructive  removes or overwrites for good
  effect = execute      runs code or commands whose effect the host cannot know";

/// What `#[tool(..)]` says, checked.
#[derive(Default)]
pub(super) struct ToolAttribute {
    pub(super) api: Option<Path>,
    pub(super) effect: Option<Ident>,
    pub(super) idempotent: bool,
    pub(super) name: Option<LitStr>,
    pub(super) title: Option<LitStr>,
}

impl ToolAttribute {
    /// Parses the arguments of an attribute that stands at `span`.
    pub(super) fn parse(tokens: TokenStream, span: Span, problems: &mut Problems) -> Self {
        let mut attribute = Self::default();
        let arguments = grammar::parse(tokens, "argument of `#[tool]`", &NAMES, problems);
        for argument in &arguments.known {
            attribute.take(argument, problems);
        }
        if arguments.find("effect").is_none() && arguments.readable {
            problems.add(syn::Error::new(span, EFFECT_MISSING));
        }
        attribute
    }

    fn take(&mut self, argument: &Argument, problems: &mut Problems) {
        match argument.name.to_string().as_str() {
            "crate" => self.api = argument.path(problems),
            "effect" => self.effect = argument.word(problems, &EFFECTS),
            "idempotent" => self.idempotent = argument.flag(problems).unwrap_or_default(),
            "name" => self.name = argument.string(problems),
            _ => self.title = argument.string(problems),
        }
    }
}
