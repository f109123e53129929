//! A governed call in twenty lines.
#![expect(clippy::print_stdout, reason = "a program owns its terminal")]
mod hello; // a plugin, as its author writes it
use keyway_host::{Host, approval::ApproveAll};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::builder("acme-agent", "1.0.0")
        .approver(ApproveAll) // who decides about plugins: these are all our own
        .plugin(hello::Hello) // waits for the approver; nothing of it runs before
        .build()?;
    host.start().await; // a plugin that fails is data in the report, never an error
    let view = host.view("acme/support/triage".parse()?); // what this agent may see and call
    let outcome = view.call("hello/greet", json!({ "name": "Ada" })).await?;
    let output = outcome.output().ok_or("an operator has to decide first")?;
    println!("{}", output.to_value());
    host.shutdown().await;
    Ok(())
}
