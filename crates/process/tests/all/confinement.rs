//! What a plugin's process can see and reach.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use keyway_host::rank::Trust;
use keyway_process::ProcessOptions;
use keyway_sandbox::Probe;
use serde_json::{Value, json};

use crate::support::{Site, failure, quick, running};

#[tokio::test]
async fn s_c6_s_c7_environment_and_descriptors_are_built_from_nothing() {
    // Not closed on exec: it would go to any child that is not careful.
    let _leaked = rustix::pipe::pipe().unwrap();
    let site = Site::new().stress("looker", &[]);
    let host = running(&site).await;
    let seen = host.call("looker/look", json!({})).await.unwrap();
    let names: BTreeSet<&str> = seen["environment"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "HOME",
        "KEYWAY_CHANNEL",
        "KEYWAY_PLUGIN",
        "KEYWAY_SECRET_FD",
        "LANG",
        "PATH",
        "TMPDIR",
        "TZ",
    ];
    assert_eq!(names, expected.into());
    // 0, 1, 2 and the channel; the secret's pipe was closed after it was read.
    assert_eq!(seen["descriptors"], json!([0, 1, 2, 3]));
    assert_eq!(seen["scratch"], json!(true));
}

/// What this process has to leak goes to a child that is started as most are.
#[test]
fn s_c6_s_c7_control_a_plain_child_has_the_variables_and_descriptors_of_its_parent() {
    let output = |program: &str, arguments: &[&str]| {
        let mut child = std::process::Command::new(program);
        let output = child.args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let own: Vec<_> = std::env::vars()
        .map(|(name, _)| format!("{name}="))
        .collect();
    let environment = output("/usr/bin/env", &[]);
    assert!(own.iter().all(|name| environment.contains(name.as_str())));
    // Left open for whoever comes, as many libraries do it.
    let (leaked, _other) = rustix::pipe::pipe().unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&leaked).to_string();
    let open = output("/bin/ls", &["/proc/self/fd"]);
    assert!(open.lines().any(|line| line == number), "{number}: {open}");
}

#[tokio::test]
async fn s_c6_granted_secrets_and_no_loader_names_are_in_the_environment() {
    let fields = |name: &str| {
        json!({
            "capabilities": [{ "kind": "secret", "names": [name], "reason": "the service" }],
            "activation": { "env": [name] },
        })
    };
    let site = Site::new().plugin("keyed", &[], fields("API_KEY")).plugin(
        "loader",
        &[],
        fields("LD_PRELOAD"),
    );
    for name in ["API_KEY", "LD_PRELOAD"] {
        site.effects().put_secret(name, "k-123");
    }
    let host = site.start().await;
    let seen = host.call("keyed/look", json!({})).await.unwrap();
    assert_eq!(seen["environment"]["API_KEY"], json!("k-123"));
    let (code, reason) = failure(&host, "loader");
    assert_eq!(code, "MANIFEST_INVALID", "{reason}");
    assert!(reason.contains("can never be granted"), "{reason}");
}

/// What a hostile program is pointed at, all of it real and open to this user.
struct Targets {
    folder: tempfile::TempDir,
    tcp: TcpListener,
    _socket: UnixListener,
}

impl Targets {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::File::create(folder.path().join("plugins.json")).unwrap();
        Self {
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            _socket: UnixListener::bind(folder.path().join("socket")).unwrap(),
            folder,
        }
    }

    fn as_arguments(&self) -> Value {
        let folder = self.folder.path();
        json!({
            "file": folder.join("plugins.json"),
            "folder": folder,
            "socket": folder.join("socket"),
            "tcp": self.tcp.local_addr().unwrap().to_string(),
            "pid": std::process::id(),
        })
    }
}

fn worked(report: &Value) -> Vec<String> {
    let entries = report.as_object().unwrap().iter();
    let worked = entries.filter(|(_, worked)| **worked == json!(true));
    worked.map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn s_c5_s_c10_a_hostile_program_of_the_same_user_reaches_nothing() {
    let site = Site::new().stress("hostile", &[]);
    let host = running(&site).await;
    let targets = Targets::new();
    let report = host
        .call("hostile/attack", targets.as_arguments())
        .await
        .unwrap();
    assert_eq!(worked(&report), Vec::<String>::new(), "{report:#}");
    assert!(targets.folder.path().join("plugins.json").exists());
}

/// The control: the same program, the same attacks, a kernel that offers nothing to hold it with.
#[tokio::test]
async fn s_c5_s_c10_control_without_confinement_the_same_attacks_work_and_the_level_says_so() {
    let poorer = Probe::detect()
        .with_landlock_at_most(0)
        .without_seccomp()
        .without_namespaces();
    let site = Site::with(quick().with_probe(poorer))
        .trusting(Trust::Trusted)
        .stress("hostile", &[]);
    let host = site
        .start_with(|host| host.policy(keyway_host::gate::Policy::default()))
        .await;
    let status = &host.report().plugin("hostile").unwrap().status;
    let keyway_host::PluginStatus::Running { enforcement, .. } = status else {
        panic!("{status:?}");
    };
    assert_eq!(enforcement.to_string(), "declared");
    let targets = Targets::new();
    let report = host
        .call("hostile/attack", targets.as_arguments())
        .await
        .unwrap();
    let worked = worked(&report);
    for attack in [
        "read a file of the host",
        "connect to a port",
        "connect to a socket of the host",
    ] {
        assert!(worked.contains(&attack.to_owned()), "{attack}: {report:#}");
    }
}

#[tokio::test]
async fn s_c10_a_machine_that_cannot_confine_runs_no_community_plugin() {
    let options: ProcessOptions = quick().with_probe(Probe::detect().with_landlock_at_most(0));
    let site = Site::with(options).stress("weak", &[]);
    let host = site.start().await;
    let (code, reason) = failure(&host, "weak");
    assert_eq!(code, "ENFORCEMENT_TOO_WEAK");
    assert!(
        reason.contains("read and write its user's files"),
        "{reason}"
    );
}
