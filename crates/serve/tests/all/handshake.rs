//! The plugin's side of the handshake in a real process.

use keyway_channel::handshake::{HostHello, Nonce, Secret};

use super::kit::host_end::offer;
use super::support::{Scene, probe};

#[test]
fn l11_a_host_with_another_secret_is_refused() {
    let (mut scene, secret) = Scene::started(&probe());
    drop(secret);
    let wrong = Secret::draw().unwrap();
    let offer = offer(&scene.manifest);
    // This host cannot check the plugin's proof either; it goes on all the same.
    let error = scene.host.up_to_ready(wrong, offer).unwrap_err();
    assert!(error.to_string().contains("not signed"), "{error}");
    let ready = format!(
        r#"{{"jsonrpc":"2.0","method":"keyway/ready","params":{{"mac":"{}"}}}}"#,
        "A".repeat(43)
    );
    scene.host.send_line(&ready).unwrap();
    let (code, _, err) = scene.ended();
    assert_eq!(code, Some(1));
    assert!(
        err.contains("the ready line is not signed with the key of this start"),
        "{err}"
    );
}

#[test]
fn l11_a_refused_hello_is_answered_and_the_plugin_exits() {
    let (mut scene, secret) = Scene::started(&probe());
    let mut offer = offer(&scene.manifest);
    offer.api = vec!["9.0.0".parse().unwrap()];
    let nonce = Nonce::draw().unwrap();
    let (hello, waiting) = HostHello::begin(secret, offer, nonce).unwrap();
    scene.host.send_line(&hello).unwrap();
    let answer = scene.host.must_line().unwrap();
    let error = waiting.answer(&answer).unwrap_err();
    assert_eq!(error.code(), "REFUSED_BY_PEER");
    assert!(error.to_string().contains("api_version"), "{error}");
    let (code, _, err) = scene.ended();
    assert_eq!(code, Some(1));
    assert!(err.contains("the plugin needs plugin API"), "{err}");
}

#[test]
fn the_hosts_first_request_may_come_with_its_last_line_of_the_handshake() {
    let (mut scene, secret) = Scene::started(&probe());
    let offer = offer(&scene.manifest);
    let (ready, _) = scene.host.up_to_ready(secret, offer).unwrap();
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"keyway/ping","params":{}}"#;
    scene
        .host
        .send_bytes(format!("{ready}\n{ping}\n").as_bytes())
        .unwrap();
    assert!(scene.host.answer_to(2).unwrap().is_ok());
}
