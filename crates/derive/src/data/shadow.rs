//! The shadow of a type and the impls that go through it.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, Data, DeriveInput, Field, Fields, Path, Token, Type, Variant, token};

use crate::grammar::path_text;
use crate::self_type;

use super::attributes::{is_untagged, says};

/// What to write for one type.
pub(super) struct Shadow<'a> {
    pub(super) api: &'a Path,
    /// Whether the schema and the parser are known to agree.
    pub(super) exact: bool,
    pub(super) input: &'a DeriveInput,
    pub(super) serialize: bool,
    pub(super) wrapper: Wrapper,
}

/// Which deserializer of the API keeps the parser to the published shape.
#[derive(Clone, Copy)]
pub(super) enum Wrapper {
    /// An externally tagged enum: its name, or an object with that one key.
    EnumOnly,
    /// A struct, or an enum with a tag inside: an object.
    MapOnly,
    /// None is needed.
    Plain,
}

impl Wrapper {
    pub(super) fn of(input: &DeriveInput) -> Self {
        match &input.data {
            Data::Enum(_) if says(input, "serde", "untagged") => Self::Plain,
            Data::Enum(data) if data.variants.iter().any(is_untagged) => Self::Plain,
            Data::Enum(_) if says(input, "serde", "tag") => Self::MapOnly,
            Data::Enum(_) => Self::EnumOnly,
            Data::Struct(data) if matches!(data.fields, Fields::Named(_)) => Self::MapOnly,
            Data::Struct(_) | Data::Union(_) => Self::Plain,
        }
    }

    fn wrap(self, api: &Path) -> TokenStream {
        match self {
            Self::EnumOnly => quote!(#api::__private::EnumOnly(deserializer)),
            Self::MapOnly => quote!(#api::__private::MapOnly(deserializer)),
            Self::Plain => quote!(deserializer),
        }
    }
}

impl Shadow<'_> {
    /// Writes the shadow and the impls.
    pub(super) fn expand(&self) -> TokenStream {
        let shadow = format_ident!("__{}Shadow", self.input.ident);
        let (declaration, impls) = (self.declaration(&shadow), self.impls(&shadow));
        quote! {
            const _: () = {
                #declaration
                #impls
            };
        }
    }

    fn declaration(&self, shadow: &Ident) -> TokenStream {
        let api = self.api;
        let serialize = self.serialize.then(|| quote!(#api::serde::Serialize,));
        let options = self.options();
        let attributes = kept(&self.input.attrs);
        let body = self.body(shadow);
        quote! {
            #[derive(#api::serde::Deserialize, #serialize #api::schemars::JsonSchema)]
            #options
            #(#attributes)*
            #[allow(dead_code)]
            #body
        }
    }

    /// Writes serde's and schemars' options, but for those that the author set.
    fn options(&self) -> TokenStream {
        let input = self.input;
        let name = input.ident.to_string();
        let mut serde = vec![quote!(remote = #name)];
        let mut schemars = Vec::new();
        if !says(input, "serde", "crate") {
            let path = format!("{}::serde", path_text(self.api));
            serde.push(quote!(crate = #path));
        }
        if !says(input, "schemars", "crate") {
            let path = format!("{}::schemars", path_text(self.api));
            schemars.push(quote!(crate = #path));
        }
        if !says(input, "serde", "rename") && !says(input, "schemars", "rename") {
            schemars.push(quote!(rename = #name));
        }
        if self.names_members() {
            if !says(input, "serde", "deny_unknown_fields") {
                serde.push(quote!(deny_unknown_fields));
            }
            if self.exact {
                schemars.push(quote!(extend("x-keyway-exact" = true)));
            }
        }
        quote! {
            #[serde(#(#serde),*)]
            #[schemars(#(#schemars),*)]
        }
    }

    fn names_members(&self) -> bool {
        match &self.input.data {
            Data::Enum(_) => true,
            Data::Struct(data) => matches!(data.fields, Fields::Named(_)),
            Data::Union(_) => false,
        }
    }

    fn body(&self, shadow: &Ident) -> TokenStream {
        let self_type: Type = {
            let name = &self.input.ident;
            syn::parse_quote!(#name)
        };
        match &self.input.data {
            Data::Struct(data) => {
                let fields = shadow_fields(&data.fields, &self_type);
                let end = data.semi_token;
                quote!(struct #shadow #fields #end)
            }
            Data::Enum(data) => {
                let says = |word| says(self.input, "serde", word);
                let tagged = says("tag") && !says("content");
                let variants = data
                    .variants
                    .iter()
                    .map(|variant| shadow_variant(variant, tagged, &self_type));
                quote!(enum #shadow { #(#variants),* })
            }
            Data::Union(_) => TokenStream::new(),
        }
    }

    fn impls(&self, shadow: &Ident) -> TokenStream {
        let (api, name) = (self.api, &self.input.ident);
        let deserializer = self.wrapper.wrap(api);
        let serialize = self.serialize.then(|| {
            quote! {
                impl #api::serde::Serialize for #name {
                    fn serialize<S: #api::serde::Serializer>(
                        &self,
                        serializer: S,
                    ) -> ::core::result::Result<S::Ok, S::Error> {
                        #shadow::serialize(self, serializer)
                    }
                }
            }
        });
        let schema = schema_impl(api, name, shadow);
        quote! {
            impl<'de> #api::serde::Deserialize<'de> for #name {
                fn deserialize<D: #api::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    #shadow::deserialize(#deserializer)
                }
            }
            #serialize
            #schema
        }
    }
}

fn schema_impl(api: &Path, name: &Ident, shadow: &Ident) -> TokenStream {
    let delegate = quote!(<#shadow as #api::schemars::JsonSchema>);
    quote! {
        impl #api::schemars::JsonSchema for #name {
            fn inline_schema() -> bool {
                #delegate::inline_schema()
            }
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                #delegate::schema_name()
            }
            fn schema_id() -> ::std::borrow::Cow<'static, str> {
                #delegate::schema_id()
            }
            fn json_schema(
                generator: &mut #api::schemars::SchemaGenerator,
            ) -> #api::schemars::Schema {
                #delegate::json_schema(generator)
            }
        }
    }
}

/// Writes impls that only stop follow-up errors after a refused derive.
pub(super) fn dummies(api: &Path, name: &Ident, serialize: bool) -> TokenStream {
    let serialize = serialize.then(|| {
        quote! {
            impl #api::serde::Serialize for #name {
                fn serialize<S: #api::serde::Serializer>(
                    &self,
                    _: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    ::core::unimplemented!()
                }
            }
        }
    });
    quote! {
        impl<'de> #api::serde::Deserialize<'de> for #name {
            fn deserialize<D: #api::serde::Deserializer<'de>>(
                _: D,
            ) -> ::core::result::Result<Self, D::Error> {
                ::core::unimplemented!()
            }
        }
        impl #api::schemars::JsonSchema for #name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                ::core::unimplemented!()
            }
            fn json_schema(
                _: &mut #api::schemars::SchemaGenerator,
            ) -> #api::schemars::Schema {
                ::core::unimplemented!()
            }
        }
        #serialize
    }
}

fn shadow_variant(variant: &Variant, tagged: bool, self_type: &Type) -> TokenStream {
    let (attributes, name) = (kept(&variant.attrs), &variant.ident);
    // serde lets a unit variant inside a tagged object carry unknown fields; an empty struct
    // variant does not, and `Name {}` builds and matches a unit variant just as well.
    let fields = match &variant.fields {
        Fields::Unit if tagged => quote!({}),
        fields => shadow_fields(fields, self_type).into_token_stream(),
    };
    quote!(#(#attributes)* #name #fields)
}

fn shadow_fields(fields: &Fields, self_type: &Type) -> Fields {
    let mut fields = fields.clone();
    for field in &mut fields {
        shadow_field(field, self_type);
    }
    if let Fields::Named(named) = &mut fields {
        named.brace_token = token::Brace::default();
        if !named.named.empty_or_trailing() {
            named.named.push_punct(<Token![,]>::default());
        }
    }
    fields
}

fn shadow_field(field: &mut Field, self_type: &Type) {
    field.vis = syn::Visibility::Inherited;
    field.attrs = kept(&field.attrs).into_iter().cloned().collect();
    self_type::replace(&mut field.ty, self_type);
}

/// Returns the attributes that mean something to the shadow's derives.
fn kept(attributes: &[Attribute]) -> Vec<&Attribute> {
    let meant = |a: &&Attribute| {
        ["cfg", "doc", "schemars", "serde"]
            .iter()
            .any(|name| a.path().is_ident(name))
    };
    attributes.iter().filter(meant).collect()
}
