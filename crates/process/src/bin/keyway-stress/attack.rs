//! What a hostile program of the same user would try.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Tries everything that the arguments name a target for. `true` means that it worked.
pub(crate) fn all(targets: &Value) -> Value {
    let mut worked = BTreeMap::new();
    let mut try_it = |name: &str, result: bool| {
        worked.insert(name.to_owned(), result);
    };
    if let Some(file) = targets["file"].as_str() {
        try_it("read a file of the host", fs::read(file).is_ok());
        try_it(
            "write a file of the host",
            fs::File::options().append(true).open(file).is_ok(),
        );
        try_it(
            "rename a file of the host",
            fs::rename(file, format!("{file}.gone")).is_ok(),
        );
        try_it("remove a file of the host", fs::remove_file(file).is_ok());
        let open = fs::Permissions::from_mode(0o777);
        try_it(
            "change the mode of a file of the host",
            fs::set_permissions(file, open).is_ok(),
        );
        let through = format!("/proc/self/root{file}");
        try_it("read it through /proc/self/root", fs::read(through).is_ok());
    }
    if let Some(folder) = targets["folder"].as_str() {
        try_it("list a folder of the host", fs::read_dir(folder).is_ok());
    }
    if let Some(address) = targets["tcp"].as_str() {
        try_it("connect to a port", TcpStream::connect(address).is_ok());
        try_it("listen on a port", TcpListener::bind("127.0.0.1:0").is_ok());
        let sent = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", address));
        try_it("send a datagram", sent.is_ok());
    }
    if let Some(path) = targets["socket"].as_str() {
        try_it(
            "connect to a socket of the host",
            UnixStream::connect(path).is_ok(),
        );
    }
    if let Some(pid) = targets["pid"].as_u64() {
        try_it(
            "read the host's environment",
            fs::read(format!("/proc/{pid}/environ")).is_ok(),
        );
        try_it(
            "read the host's memory",
            fs::File::open(format!("/proc/{pid}/mem")).is_ok(),
        );
        let mut signal = Command::new("/bin/kill");
        signal.args(["-0", &pid.to_string()]);
        try_it("signal the host", succeeds(&mut signal));
    }
    try_it("run what it wrote", runs_own_file());
    try_it(
        "write into its package",
        fs::File::create("planted").is_ok(),
    );
    json!(worked)
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn runs_own_file() -> bool {
    let Some(home) = std::env::var_os("HOME") else {
        return false;
    };
    let path = std::path::Path::new(&home).join("own");
    let write = || {
        fs::copy("/bin/true", &path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
    };
    write().is_ok() && succeeds(&mut Command::new(&path))
}

/// Says what it was given: environment, descriptors, folder.
pub(crate) fn look() -> Value {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let scratch = std::env::var("HOME").map(|home| {
        let file = std::path::Path::new(&home).join("note");
        fs::File::create(file)
            .and_then(|mut file| file.write_all(b"mine"))
            .is_ok()
    });
    json!({
        "environment": environment,
        "descriptors": crate::channel::open_descriptors(),
        "scratch": scratch.unwrap_or(false),
        "folder": std::env::current_dir().ok(),
        "pid": std::process::id(),
    })
}

/// Starts a process in a session of its own that outlives this one if it can, and sleeps for so
/// many seconds. It holds the standard streams and the channel open.
pub(crate) fn leave_a_grandchild(seconds: &str) -> bool {
    let own = Command::new("/usr/bin/setsid")
        .args(["-f", "/bin/sleep", seconds])
        .status();
    own.is_ok_and(|status| status.success())
}
