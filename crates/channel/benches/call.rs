//! One call of about 100 bytes and its answer: what both ends together pay for the channel.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use keyway_channel::ChannelLimits;
use keyway_channel::frame::FrameDecoder;
use keyway_channel::handshake::{
    ContentDigest, HostHello, Nonce, Offer, OfferedPlugin, PluginHello, PluginIdentity, Secret,
};
use keyway_channel::message::{
    FromHost, FromPlugin, HostRequest, HostRequestId, ToolCall, output_from_result,
    output_to_result,
};
use keyway_plugin_api::{PluginId, ToolOutput, plugin_api_version};
use serde_json::Value;
use serde_json::value::RawValue;

criterion_group!(benches, call, handshake);
criterion_main!(benches);

const ARGUMENTS: &str = r#"{"words":"milk and bread and butter","limit":20,"folders":["notes","lists"],"exact":false,"case":true}"#;

fn call(c: &mut Criterion) {
    let mut group = c.benchmark_group("channel/call");
    let limits = ChannelLimits::default();
    let (mut to_plugin, mut to_host) = (Vec::new(), Vec::new());
    let (mut plugin, mut host) = (FrameDecoder::new(limits), FrameDecoder::new(limits));
    group.bench_function("limit: the same lines as serde_json values", |b| {
        let line = line_of_call(limits);
        b.iter(|| {
            let value: Value = serde_json::from_str(black_box(&line)).unwrap();
            black_box(serde_json::to_string(&value).unwrap())
        });
    });
    group.bench_function("both ends", |b| {
        b.iter(|| {
            to_plugin.clear();
            to_host.clear();
            request().encode(limits, &mut to_plugin).unwrap();
            let mut input = to_plugin.as_slice();
            let line = plugin.next_line(&mut input).unwrap().unwrap();
            let FromHost::Request { id, request } = FromHost::parse(line).unwrap() else {
                return;
            };
            black_box(request);
            let output = ToolOutput::Text("todo: milk, bread, butter".to_owned());
            let answer = output_to_result(Ok(&output));
            let message = FromPlugin::Answer { id, answer };
            message.encode(limits, &mut to_host).unwrap();
            let mut input = to_host.as_slice();
            let line = host.next_line(&mut input).unwrap().unwrap();
            let FromPlugin::Answer { answer, .. } = FromPlugin::parse(line).unwrap() else {
                return;
            };
            black_box(output_from_result(&answer.unwrap()).unwrap());
        });
    });
    group.finish();
}

fn request() -> FromHost {
    let call = ToolCall {
        name: "search".into(),
        arguments: RawValue::from_string(ARGUMENTS.to_owned()).unwrap(),
        call: 17,
        deadline_ms: 1_767_225_600_000,
        caller: "acme/ops/triage".into(),
    };
    FromHost::Request {
        id: HostRequestId(5),
        request: HostRequest::CallTool(call),
    }
}

fn line_of_call(limits: ChannelLimits) -> String {
    let mut line = Vec::new();
    request().encode(limits, &mut line).unwrap();
    String::from_utf8(line).unwrap()
}

fn handshake(c: &mut Criterion) {
    let id = PluginId::parse("notes").unwrap();
    let offer = Offer::new(
        OfferedPlugin {
            id: id.clone(),
            version: "1.0.0".parse().unwrap(),
            digest: ContentDigest::from_bytes([7; 32]),
        },
        vec![plugin_api_version()],
    );
    let api = (">=0.1, <0.2".parse().unwrap(), plugin_api_version());
    let identity = PluginIdentity::new((id, "1.0.0".parse().unwrap()), api, "a benchmark");
    let secret = || Secret::take(&mut [9; 32]).unwrap();
    let nonce = |byte| Nonce::from_bytes([byte; 32]);
    c.bench_function("channel/handshake/both ends", |b| {
        b.iter(|| {
            let (hello, host) = HostHello::begin(secret(), offer.clone(), nonce(1)).unwrap();
            let plugin = PluginHello::begin(secret(), identity.clone(), nonce(2));
            let welcome = plugin.hello(&hello).unwrap();
            let proof = host.answer(&welcome.answer).unwrap();
            let (ready, verified) = proof.prove(&welcome.prove).unwrap();
            black_box((verified, welcome.next.ready(&ready).unwrap()));
        });
    });
}
