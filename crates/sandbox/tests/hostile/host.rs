//! A host with something to lose: a secret, sockets, shared memory, an environment and an open file.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::IntoRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyway_sandbox::{Environment, Handover, Jail, Limits, Probe, Program};

/// How the program is to run: `name=value` arguments, then `--`, then the program's own.
struct Order {
    folder: PathBuf,
    jail: Jail,
    is_plain: bool,
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &[String]) {
    let mut order = parse(arguments);
    let kept = lose(&order.folder);
    if order.arguments == ["attack"] {
        order.arguments.extend([
            order.folder.display().to_string(),
            std::process::id().to_string(),
            kept.port.to_string(),
            kept.shared.to_string(),
        ]);
    }
    println!("host {}", std::process::id());
    match order.is_plain {
        true => plain(&order),
        false => jailed(&order),
    }
}

fn parse(arguments: &[String]) -> Order {
    let split = arguments
        .iter()
        .position(|argument| argument == "--")
        .unwrap();
    let options = arguments[..split]
        .iter()
        .map(|option| option.split_once('=').unwrap());
    let mut order = Order {
        folder: PathBuf::new(),
        jail: Jail::new(),
        is_plain: false,
        arguments: arguments[split + 1..].to_vec(),
    };
    let (mut probe, mut limits) = (Probe::detect(), Limits::default());
    for (name, value) in options {
        match name {
            "folder" => order.folder = value.into(),
            "plain" => order.is_plain = true,
            "abi" => probe = probe.with_landlock_at_most(value.parse().unwrap()),
            "seccomp" => probe = probe.without_seccomp(),
            "namespaces" => probe = probe.without_namespaces(),
            "cpu" => limits = limits.with_cpu_seconds(value.parse().ok()),
            "files" => limits = limits.with_open_files(value.parse().ok()),
            "file-bytes" => limits = limits.with_file_bytes(value.parse().ok()),
            "memory" => limits = limits.with_memory(value.parse().ok()),
            "processes" => limits = limits.with_processes(value.parse().ok()),
            "run-as" => {
                order.jail = order
                    .jail
                    .run_as(value.parse().unwrap(), value.parse().unwrap())
            }
            "cgroup" => order.jail = order.jail.cgroup(value),
            other => println!("unknown option {other}"),
        }
    }
    let environment = Environment::new().with("GRANTED", "yes").unwrap();
    order.jail = order
        .jail
        .probe(probe)
        .limits(limits)
        .environment(environment)
        .read(order.folder.join("plugin"))
        .scratch(order.folder.join("scratch"));
    order
}

/// What the host opens, kept open until it ends.
struct Kept {
    port: u16,
    shared: i32,
    _sockets: (TcpListener, TcpListener, UdpSocket, UdpSocket),
    _local: (UnixListener, UnixListener, UnixDatagram),
}

fn lose(folder: &Path) -> Kept {
    let tcp4 = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp4.local_addr().unwrap().port();
    let abstract_name = format!("keyway-hostile-{}", std::process::id());
    let abstract_name = UnixAddr::from_abstract_name(abstract_name).unwrap();
    let _ = std::fs::remove_file(folder.join("host.sock"));
    let _ = std::fs::remove_file(folder.join("host.dgram"));
    let shared = std::process::id().cast_signed();
    // SAFETY: numbers only; the second call marks the memory as to be freed with its last user.
    unsafe {
        let id = libc::shmget(shared, 4096, libc::IPC_CREAT | 0o600);
        libc::shmat(id, std::ptr::null(), 0);
    }
    // A descriptor that a library forgot to mark: every plain child inherits it.
    let leaked = File::open(folder.join("secret.txt")).unwrap().into_raw_fd();
    // SAFETY: numbers only.
    unsafe { libc::fcntl(leaked, libc::F_SETFD, 0) };
    Kept {
        port,
        shared,
        _sockets: (
            tcp4,
            TcpListener::bind(("::1", port)).unwrap(),
            UdpSocket::bind(("127.0.0.1", port)).unwrap(),
            UdpSocket::bind(("::1", port)).unwrap(),
        ),
        _local: (
            UnixListener::bind(folder.join("host.sock")).unwrap(),
            UnixListener::bind_addr(&abstract_name).unwrap(),
            UnixDatagram::bind(folder.join("host.dgram")).unwrap(),
        ),
    }
}

fn plain(order: &Order) {
    let mut command = Command::new(order.folder.join("plugin/code"));
    command
        .args(&order.arguments)
        .current_dir(order.folder.join("scratch"));
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    println!("pid {}", child.id());
    println!("ended {:?}", child.wait().unwrap());
}

fn jailed(order: &Order) {
    let program = Program::at(order.folder.join("plugin/code")).args(&order.arguments);
    let mut confined = match order.jail.spawn(&program, Handover::new()) {
        Ok(confined) => confined,
        Err(error) => {
            println!("error {} {error}", error.code());
            return;
        }
    };
    println!("pid {}", confined.pid());
    println!("level {}", confined.reached().level());
    for mechanism in confined.reached().mechanisms() {
        println!("mechanism {mechanism}");
    }
    for missing in confined.reached().missing() {
        println!("missing {missing:?}");
    }
    io::stdout().flush().unwrap();
    let errors = confined.take_stderr().map(File::from).unwrap();
    let errors = std::thread::spawn(move || io::copy(&mut { errors }, &mut io::stderr()));
    let output = confined.take_stdout().map(File::from).unwrap();
    io::copy(&mut { output }, &mut io::stdout()).unwrap();
    errors.join().unwrap().unwrap();
    println!("ended {:?}", confined.wait().unwrap());
}
