//! Attacks through sockets.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixStream};

use crate::attacks::{Attack, Scene, checked};

pub(crate) const ATTACKS: &[(&str, Attack)] = &[
    ("connect_tcp4", |scene, _| connect("127.0.0.1", scene)),
    ("connect_tcp6", |scene, _| connect("::1", scene)),
    // Where nobody can connect, nobody listens.
    ("listen_tcp", |_, _| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        TcpStream::connect(listener.local_addr()?).map(drop)
    }),
    ("send_udp4", |scene, _| send("127.0.0.1", scene)),
    ("send_udp6", |scene, _| send("::1", scene)),
    ("open_netlink", |_, _| {
        socket(libc::AF_NETLINK, libc::SOCK_RAW)
    }),
    ("connect_abstract", |scene, _| {
        let name = format!("keyway-hostile-{}", scene.host);
        UnixStream::connect_addr(&UnixAddr::from_abstract_name(name)?).map(drop)
    }),
    ("connect_path", |scene, _| {
        UnixStream::connect(scene.folder.join("host.sock")).map(drop)
    }),
    ("send_from_pair", |scene, _| {
        let (one, _other) = UnixDatagram::pair()?;
        one.send_to(b"hello", scene.folder.join("host.dgram"))
            .map(drop)
    }),
];

fn address(host: &str, scene: &Scene) -> SocketAddr {
    SocketAddr::new(host.parse().unwrap(), scene.port)
}

fn connect(host: &str, scene: &Scene) -> io::Result<()> {
    TcpStream::connect(address(host, scene)).map(drop)
}

fn send(host: &str, scene: &Scene) -> io::Result<()> {
    let any = if host.contains(':') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    UdpSocket::bind(any)?
        .send_to(b"hello", address(host, scene))
        .map(drop)
}

fn socket(family: i32, kind: i32) -> io::Result<()> {
    // SAFETY: numbers only.
    checked(unsafe { libc::socket(family, kind, 0) }.into()).map(drop)
}
