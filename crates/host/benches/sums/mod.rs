//! The plugin that calls are measured with: a small tool, one with twenty properties, and both
//! again as tools that are known by their schema only.

use std::borrow::Cow;

use keyway_plugin_api::{
    Args, Arguments, CallCx, Effect, Json, Plugin, Register, RegisterError, Tool, ToolDescriptor,
    ToolError, ToolInput, ToolName, ToolOutput, ToolValue, async_trait, tool,
};
use serde_json::{Value, json};

/// Arguments of `add`.
pub(crate) const PAIR: &str = r#"{"a":1,"b":2}"#;

/// Arguments of `book`: twenty properties in five objects.
pub(crate) const ORDER: &str = r#"{"reference":"A-2041","currency":"EUR","express":true,"discount":2.5,
"note":"leave it with the neighbour if nobody is there","tags":["spring","returning customer"],
"customer":{"name":"Ada Lovelace","email":"ada@example.org","phone":"+44 20 7946 0000","vip":false,
"address":{"street":"12 St James's Square","city":"London","zip":"SW1Y 4LB","country":"GB"}},
"items":[{"sku":"K-100","quantity":2,"cents":1999,"gift":false},
{"sku":"K-207","quantity":1,"cents":4950,"gift":true}]}"#;

#[derive(ToolInput)]
pub(crate) struct Pair {
    /// The first number.
    pub(crate) a: i64,
    /// The second number.
    pub(crate) b: i64,
}

#[derive(ToolValue)]
pub(crate) struct Sum {
    /// The sum.
    pub(crate) sum: i64,
}

/// An order.
#[derive(ToolInput)]
pub(crate) struct Order {
    reference: String,
    currency: String,
    express: bool,
    discount: f64,
    note: Option<String>,
    tags: Vec<String>,
    customer: Customer,
    items: Vec<Item>,
}

#[derive(ToolValue)]
struct Customer {
    name: String,
    email: String,
    phone: String,
    vip: bool,
    address: Address,
}

#[derive(ToolValue)]
struct Address {
    street: String,
    city: String,
    zip: String,
    country: String,
}

#[derive(ToolValue)]
struct Item {
    sku: String,
    quantity: u32,
    cents: u64,
    gift: bool,
}

impl Order {
    /// Reads every field, so that none is parsed for nothing.
    pub(crate) fn weight(&self) -> i64 {
        let (who, place) = (&self.customer, &self.customer.address);
        let texts = [
            &self.reference,
            &self.currency,
            &who.name,
            &who.email,
            &who.phone,
        ];
        let places = [&place.street, &place.city, &place.zip, &place.country];
        let flags = [
            self.express,
            who.vip,
            self.note.is_some(),
            self.discount > 1.0,
        ];
        let items = self.items.iter().map(|item| {
            item.sku.len() + item.quantity as usize + item.cents as usize + usize::from(item.gift)
        });
        let texts = texts
            .into_iter()
            .chain(places)
            .chain(&self.tags)
            .map(String::len);
        let flags = flags.into_iter().map(usize::from);
        texts.chain(items).chain(flags).sum::<usize>() as i64
    }
}

/// Adds two numbers.
#[tool(effect = read)]
fn add(Args(pair): Args<Pair>) -> Json<Sum> {
    Json(Sum {
        sum: pair.a + pair.b,
    })
}

/// Books an order.
#[tool(effect = read)]
pub(crate) fn book(Args(order): Args<Order>) -> Json<Sum> {
    Json(Sum {
        sum: order.weight(),
    })
}

/// The same tool known by its schema only, as one of another language would be.
struct Untyped(ToolDescriptor);

#[async_trait]
impl Tool for Untyped {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.0
    }
    async fn call(&self, _: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text("3"))
    }
}

fn untyped(name: &str, schema: Value) -> Result<Untyped, RegisterError> {
    let name = ToolName::parse(name).map_err(|e| RegisterError::Failed(e.to_string()))?;
    let text = "Does what its twin does.";
    Ok(Untyped(ToolDescriptor::new(
        name,
        text,
        Effect::Read,
        schema,
    )))
}

/// The plugin `sums`.
pub(crate) struct Sums;

impl Plugin for Sums {
    fn manifest(&self) -> Cow<'static, str> {
        r#"{ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
             "name": "sums", "version": "0.1.0", "extensions": { "dev.keyway": {
               "api": ">=0.1, <0.2", "runtime": { "kind": "linked" },
               "contributes": { "tools": ["add", "add_untyped", "book", "book_untyped"] } } } }"#
            .into()
    }
    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        let pair = json!({"type": "object", "additionalProperties": false, "required": ["a", "b"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
        let order = Book.descriptor().input_schema.clone();
        ctx.tool(Add)?.tool(untyped("add_untyped", pair)?)?;
        ctx.tool(Book)?.tool(untyped("book_untyped", order)?)?;
        Ok(())
    }
}
