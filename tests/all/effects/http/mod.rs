//! HTTP for plugins: servers on loopback addresses, a resolver that says what a test wants.

mod classes;
mod hosted;
mod hostile;
mod limits;
mod property;
mod redirects;
mod secrets;
mod tls;

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use keyway_effects::Effects;
use keyway_effects::http::{HttpOptions, Resolve};
use keyway_plugin_api::{Capability, EffectReply, EffectRequest, HttpResponse, ToolError};
use serde_json::json;
use tempfile::TempDir;

const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const TWO: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A server that answers every request from a function and remembers what it was sent.
struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Server {
    fn start(ip: IpAddr, answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::listening(TcpListener::bind((ip, 0)).unwrap(), answer)
    }

    fn listening(
        listener: TcpListener,
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let (answer, shared) = (Arc::new(answer), Arc::clone(&seen));
        thread::spawn(move || {
            for connection in listener.incoming() {
                if shared.is_over.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (answer, shared) = (Arc::clone(&answer), Arc::clone(&shared));
                thread::spawn(move || connection.map(|c| serve(&c, &*answer, &shared)));
            }
        });
        Self { address, seen }
    }

    /// Servers at one port of several addresses, so that only the address tells them apart.
    fn at_one_port(
        addresses: &[IpAddr],
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Vec<Self> {
        let answer = Arc::new(answer);
        let bound = (0..100).find_map(|_| {
            let first = TcpListener::bind((addresses[0], 0)).ok()?;
            let port = first.local_addr().ok()?.port();
            let others = addresses[1..]
                .iter()
                .map(|ip| TcpListener::bind((*ip, port)));
            let others: io::Result<Vec<_>> = others.collect();
            Some([vec![first], others.ok()?].concat_all())
        });
        let serving = bound.unwrap().into_iter().map(|listener| {
            let answer = Arc::clone(&answer);
            Self::listening(listener, move |request| answer(request))
        });
        serving.collect()
    }

    fn port(&self) -> u16 {
        self.address.port()
    }

    fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Everything it was sent, head and body, one text for each request.
    fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

trait ConcatAll<T> {
    fn concat_all(self) -> Vec<T>;
}

impl<T> ConcatAll<T> for [Vec<T>; 2] {
    fn concat_all(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}

fn serve(connection: &TcpStream, answer: &dyn Fn(&str) -> Vec<u8>, seen: &Seen) {
    let mut reader = BufReader::new(connection);
    let request = read_request(&mut reader);
    seen.requests.lock().unwrap().push(request.clone());
    // Whoever asked may have left.
    let mut writer = connection;
    drop(writer.write_all(&answer(&request)));
}

fn read_request(reader: &mut impl io::BufRead) -> String {
    let mut request = String::new();
    let mut length = 0;
    while reader.read_line(&mut request).unwrap_or(0) > 2 {
        let line = request.lines().last().unwrap_or_default().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_ok() {
        request.push_str(&String::from_utf8_lossy(&body));
    }
    request
}

fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "", body.as_bytes())
}

fn redirect(status: u16, location: &str) -> Vec<u8> {
    answer(
        &format!("{status} Moved"),
        &format!("location: {location}\r\n"),
        b"",
    )
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Answers with the addresses it was given, one after another; the last one stays.
#[derive(Debug, Clone, Default)]
struct Names {
    answers: Arc<Mutex<HashMap<String, VecDeque<IpAddr>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    fn with(self, name: &str, addresses: &[IpAddr]) -> Self {
        let addresses = addresses.iter().copied().collect();
        self.answers
            .lock()
            .unwrap()
            .insert(name.to_owned(), addresses);
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolve for Names {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let Some(left) = answers.get_mut(host) else {
            return Ok(Vec::new());
        };
        let next = match left.len() {
            1 => left.front().copied(),
            _ => left.pop_front(),
        };
        Ok(next.into_iter().collect())
    }
}

/// Names on this machine, with the machine allowed.
fn local(names: &Names) -> HttpOptions {
    let options = HttpOptions::new().resolver(names.clone());
    options.allow_private("127.0.0.0/8").unwrap()
}

fn effects(options: HttpOptions) -> (Effects, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let effects = Effects::builder(folder.path().join(".keyway")).http(options);
    (effects.build().unwrap(), folder)
}

fn network(hosts: &[&str]) -> Capability {
    serde_json::from_value(json!({"kind": "network", "hosts": hosts})).unwrap()
}

fn secret(name: &str) -> Capability {
    serde_json::from_value(json!({"kind": "secret", "names": [name]})).unwrap()
}

/// Asks the performer alone, as if the gate had said yes within these capabilities.
fn fetch(
    effects: &Effects,
    within: &[Capability],
    request: EffectRequest,
) -> Result<HttpResponse, ToolError> {
    let done = effects.perform_within(&super::plugin("asker"), within, request);
    done.map(|reply| match reply {
        EffectReply::Http(response) => response,
        other => panic!("{other:?}"),
    })
}

fn get(url: impl Into<String>) -> EffectRequest {
    request("GET", url, &[], None)
}

fn request(
    method: &str,
    url: impl Into<String>,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> EffectRequest {
    let headers = headers
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    serde_json::from_value(json!({
        "op": "http_fetch",
        "method": method,
        "url": url.into(),
        "headers": headers.collect::<Vec<_>>(),
        "body": body,
    }))
    .unwrap()
}
