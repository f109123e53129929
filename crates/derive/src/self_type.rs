//! Writes `Self` as the type it stands for, for code that leaves its `impl` or its struct.

use quote::quote;
use syn::Type;
use syn::visit_mut::{self, VisitMut};

/// Replaces `Self` everywhere inside `ty`.
pub(crate) fn replace(ty: &mut Type, self_type: &Type) {
    Replacer(self_type).visit_type_mut(ty);
}

struct Replacer<'a>(&'a Type);

impl VisitMut for Replacer<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Path(path) = ty
            && path.qself.is_none()
            && path.path.is_ident("Self")
        {
            *ty = self.0.clone();
            return;
        }
        if let Type::Path(path) = ty
            && path.qself.is_none()
            && path
                .path
                .segments
                .first()
                .is_some_and(|s| s.ident == "Self")
        {
            let (self_type, rest) = (self.0, path.path.segments.iter().skip(1));
            *ty = Type::Verbatim(quote!(<#self_type>::#(#rest)::*));
            return;
        }
        visit_mut::visit_type_mut(self, ty);
    }
}
