//! Hostile servers in the jail without grants (C11): no packet, no secret, no file outside their scratch
//! folder, no process left; and the same servers without the jail.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyway_host::Host;
use keyway_mcp::{JailLauncher, McpRuntime, McpServer};
use keyway_plugin_api::PluginId;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, UdpSocket, UnixListener};

use crate::kit::{eventually, host_of, view};

/// The variable of somebody else's process that holds a secret.
const CANARY: &str = "KEYWAY_CANARY";
const MODES: [&str; 4] = ["caller", "thief", "dropper", "breeder"];
/// Gives each scene a length of sleep that no other process has.
static SCENES: AtomicUsize = AtomicUsize::new(0);

/// How often each listener was reached.
#[derive(Default)]
struct Heard(BTreeMap<&'static str, Arc<AtomicUsize>>);

impl Heard {
    fn counter(&mut self, name: &'static str) -> Arc<AtomicUsize> {
        Arc::clone(self.0.entry(name).or_default())
    }

    fn counts(&self) -> BTreeMap<&'static str, usize> {
        let counts = self.0.iter();
        counts
            .map(|(name, heard)| (*name, heard.load(Ordering::SeqCst)))
            .collect()
    }
}

/// What there is to attack, and who notices.
struct Scene {
    /// Holds the server's code and the list of its targets.
    code: TempDir,
    /// Holds the secret, a socket, and a place to write to.
    outside: TempDir,
    scratch: TempDir,
    canary: Child,
    heard: Heard,
    targets: Value,
}

impl Scene {
    async fn set() -> Self {
        let [code, outside, scratch] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let unique = outside
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let secret = outside.path().join("secret");
        write(&secret, &format!("secret-of-{unique}"));
        let number = SCENES.fetch_add(1, Ordering::SeqCst);
        let sleep = format!("9999.{}{number:03}", std::process::id());
        let canary = Command::new("/bin/sleep")
            .arg("600")
            .env(CANARY, format!("canary-of-{unique}"))
            .spawn()
            .unwrap();
        let script = format!("{}/tests/fixtures/captive.py", env!("CARGO_MANIFEST_DIR"));
        fs::copy(script, code.path().join("captive.py")).unwrap();
        let mut heard = Heard::default();
        let mut targets = listen(outside.path(), &unique, &mut heard).await;
        targets["secret"] = json!(secret);
        targets["canary_name"] = json!(CANARY);
        targets["sleep"] = json!(sleep);
        targets["drops"] = json!(drops(
            &unique,
            &[code.path(), outside.path(), scratch.path()]
        ));
        write(&code.path().join("targets.json"), &targets.to_string());
        Self {
            code,
            outside,
            scratch,
            canary,
            heard,
            targets,
        }
    }

    fn server(&self, mode: &str) -> McpServer {
        let script = self.code.path().join("captive.py");
        let args = [
            script.to_str().unwrap(),
            mode,
            self.code.path().to_str().unwrap(),
        ];
        McpServer::stdio("captive", "/usr/bin/python3", args).unwrap()
    }

    fn jailed(&self) -> McpRuntime {
        McpRuntime::new().launcher(JailLauncher::new(self.scratch.path()).code(self.code.path()))
    }

    fn name_a_scratch_folder(&mut self) {
        self.targets["scratch"] = json!(self.scratch.path());
        write(
            &self.code.path().join("targets.json"),
            &self.targets.to_string(),
        );
    }

    /// Everything that was planted outside of the scratch folder.
    fn planted(&self) -> Vec<PathBuf> {
        let drops = self.targets["drops"].as_array().unwrap().iter();
        let drops = drops.filter_map(Value::as_str);
        let all = drops.flat_map(|drop| {
            ["", ".d", ".l", ".m"].map(|end| PathBuf::from(format!("{drop}{end}")))
        });
        all.filter(|path| path.symlink_metadata().is_ok()).collect()
    }

    /// The secrets that a text gives away.
    fn secrets_in(&self, text: &str) -> usize {
        let unique = self.outside.path().file_name().unwrap().to_str().unwrap();
        ["secret-of-", "canary-of-"]
            .iter()
            .filter(|kind| text.contains(&format!("{kind}{unique}")))
            .count()
    }

    fn clean(&self) {
        for path in self.planted() {
            let _gone = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        }
        for pid in processes(self.targets["sleep"].as_str().unwrap()) {
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _gone = self.canary.kill();
        let _gone = self.canary.wait();
        self.clean();
    }
}

fn write(path: &Path, text: &str) {
    fs::File::create(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

/// Places to write to: those that everybody can, the home folder, the given ones, and beside them the folder
/// of another server.
fn drops(unique: &str, folders: &[&Path]) -> Vec<PathBuf> {
    let home = std::env::home_dir().unwrap_or_default();
    let open = ["/tmp", "/var/tmp", "/dev/shm", "/run"].map(PathBuf::from);
    let given = folders.iter().map(|folder| folder.to_path_buf());
    let all = open.into_iter().chain([home]).chain(given);
    all.filter(|folder| folder.is_dir())
        .map(|folder| folder.join(format!("drop-{unique}")))
        .collect()
}

/// Listens at this machine's own addresses in every family; a family that there is not is left out.
async fn listen(folder: &Path, unique: &str, heard: &mut Heard) -> Value {
    let mut targets = json!({"unix": folder.join("socket"), "abstract": unique});
    for (name, address) in [("tcp4", "127.0.0.1:0"), ("tcp6", "[::1]:0")] {
        let Ok(listener) = TcpListener::bind(address).await else {
            continue;
        };
        targets[name] = json!(listener.local_addr().unwrap().port());
        let heard = heard.counter(name);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                heard.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for (name, address) in [("udp4", "127.0.0.1:0"), ("udp6", "[::1]:0")] {
        let Ok(socket) = UdpSocket::bind(address).await else {
            continue;
        };
        targets[name] = json!(socket.local_addr().unwrap().port());
        let heard = heard.counter(name);
        tokio::spawn(async move {
            while socket.recv(&mut [0; 64]).await.is_ok() {
                heard.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let address = std::os::unix::net::SocketAddr::from_abstract_name(unique).unwrap();
    let hidden = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    hidden.set_nonblocking(true).unwrap();
    let named = UnixListener::bind(folder.join("socket")).unwrap();
    for (name, listener) in [
        ("unix", named),
        ("abstract", UnixListener::from_std(hidden).unwrap()),
    ] {
        let heard = heard.counter(name);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                heard.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for name in ["tcp4", "tcp6", "udp4", "udp6"] {
        if targets[name].is_null() {
            println!("there is no {name} here");
            targets[name] = json!(9);
        }
    }
    targets
}

/// The processes with a word in their command line.
fn processes(word: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has_word = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    };
    pids.filter(has_word).collect()
}

/// Packets in and out of every interface of a process's network, and what its kernel was asked to send over
/// IP, TCP and UDP: the kernel's own counts.
fn packets(pid: u32) -> u64 {
    let read =
        |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let devices = read("dev");
    let lines = devices.lines().filter_map(|line| line.split_once(':'));
    let on_devices = lines.map(|(_, counts)| {
        let counts: Vec<u64> = counts
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        counts[1] + counts[9]
    });
    let (snmp, snmp6) = (read("snmp"), read("snmp6"));
    let asked = [
        ("Ip:", "OutRequests"),
        ("Tcp:", "ActiveOpens"),
        ("Udp:", "OutDatagrams"),
    ];
    let asked = asked.map(|(table, column)| count_of(&snmp, table, column));
    let six = snmp6
        .lines()
        .filter_map(|line| line.strip_prefix("Ip6OutRequests"));
    let six = six.map(|count| count.trim().parse::<u64>().unwrap());
    assert!(
        !devices.is_empty() && !snmp.is_empty(),
        "nothing is counted for {pid}"
    );
    on_devices.chain(asked).chain(six).sum()
}

fn count_of(snmp: &str, table: &str, column: &str) -> u64 {
    let mut rows = snmp
        .lines()
        .filter(|line| line.starts_with(table))
        .map(str::split_whitespace);
    let (mut names, mut counts) = (rows.next().unwrap(), rows.next().unwrap());
    let at = names.position(|name| name == column).unwrap();
    counts.nth(at).unwrap().parse().unwrap()
}

/// All that a server said, by every way it has, and what came of its attempts.
async fn all_said(host: &Host, runtime: &McpRuntime) -> (String, Value) {
    let view = view(host);
    let answer = view.call("captive/go", json!({})).await.unwrap();
    let came = answer.output().unwrap().to_value();
    let came: Value = serde_json::from_str(came.as_str().unwrap()).unwrap();
    let refusal = view.call("captive/refuse", json!({})).await.unwrap_err();
    let listing = view.list();
    let listed: Vec<_> = listing
        .tools
        .iter()
        .map(|tool| json!(tool.descriptor()))
        .collect();
    let offers = runtime
        .offers(&PluginId::parse("captive").unwrap())
        .unwrap();
    let facts = offers.facts().unwrap();
    (format!("{came} {refusal} {listed:?} {facts:?}"), came)
}

/// The attempts that worked, those of children too.
fn done(came: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, end) in came.as_object().unwrap() {
        match &end["done"] {
            Value::Null => {}
            Value::Object(of_child) => found.extend(done(&json!(of_child))),
            _ => found.push(name.clone()),
        }
    }
    found
}

#[tokio::test]
async fn s_c11_hostile_servers_in_the_jail_send_no_packet_and_take_no_secret_and_plant_nothing() {
    for mode in MODES {
        let scene = Scene::set().await;
        let runtime = scene.jailed();
        let host = host_of(runtime.clone(), &[scene.server(mode)]).await;
        let (said, came) = all_said(&host, &runtime).await;
        let reached = keyway_sandbox::Jail::new()
            .scratch(scene.scratch.path())
            .expected();
        let is_full_jail = reached.level() == keyway_sandbox::Level::Enforced;
        let held = processes(scene.code.path().to_str().unwrap());
        assert!(!held.is_empty(), "{mode}");
        for pid in held {
            count_nothing(mode, pid, is_full_jail);
        }
        let worked = done(&came);
        println!("{mode}: {worked:?} of {}", came.as_object().unwrap().len());
        assert!(
            worked
                .iter()
                .all(|name| ["scratch", "orphan"].contains(&name.as_str())),
            "{mode}: {came:#}"
        );
        assert_eq!(scene.secrets_in(&said), 0, "{mode}: {said}");
        assert_eq!(scene.planted(), [] as [PathBuf; 0], "{mode}");
        if matches!(mode, "dropper" | "breeder") {
            assert!(
                scene.scratch.path().join("captive/own").exists(),
                "{mode} tried nothing"
            );
        }
        host.shutdown().await;
        let sleep = scene.targets["sleep"].as_str().unwrap().to_owned();
        eventually("no process is left", || processes(&sleep).is_empty()).await;
        let heard = scene.heard.counts();
        assert!(heard.values().all(|count| *count == 0), "{mode}: {heard:?}");
    }
}

/// Where the system gave the server a network of its own, nothing was ever sent there. A system that cannot is no
/// full jail; there the listeners are all there is to ask.
fn count_nothing(mode: &str, pid: u32, is_full_jail: bool) {
    let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let (of_server, ours) = (network(&pid.to_string()), network("self"));
    let is_own = of_server.is_some() && of_server != ours;
    let counted = if is_own { packets(pid) } else { 0 };
    println!("{mode}: process {pid}, a network of its own: {is_own}, packets: {counted}");
    assert_eq!(counted, 0, "{mode}");
    assert!(is_own || !is_full_jail, "{mode}: nothing was counted");
}

/// The control: without the jail the same servers do it, and each of our means notices.
#[tokio::test]
async fn s_c11_control_without_the_jail_the_same_servers_do_all_of_it() {
    for mode in MODES {
        let mut scene = Scene::set().await;
        let before = packets(std::process::id());
        let runtime = McpRuntime::new();
        scene.name_a_scratch_folder();
        let host = host_of(runtime.clone(), &[scene.server(mode)]).await;
        let (said, came) = all_said(&host, &runtime).await;
        println!("{mode}: {:?}", done(&came));
        if matches!(mode, "caller" | "breeder") {
            let reached = || scene.heard.counts().values().all(|count| *count > 0);
            eventually("every listener is reached", reached).await;
            assert!(packets(std::process::id()) > before, "{mode}");
        }
        if matches!(mode, "thief" | "breeder") {
            assert_eq!(scene.secrets_in(&said), 2, "{mode}: {said}");
        }
        if matches!(mode, "dropper" | "breeder") {
            assert!(scene.planted().len() >= 12, "{mode}: {:?}", scene.planted());
        }
        host.shutdown().await;
        let sleep = scene.targets["sleep"].as_str().unwrap();
        // What the last of them left behind may not sleep yet; nobody else leaves anything.
        eventually("it sleeps", || {
            processes(sleep).is_empty() == (mode != "breeder")
        })
        .await;
    }
}
