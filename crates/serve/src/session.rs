//! An open channel from its first request to its end.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::calls::Calls;
use crate::crew::{Crew, Ended, Work};
use crate::error::ServeError;
use crate::opening::Opened;
use crate::panics::catch_async;
use crate::registered::{Registered, register};
use crate::requests::{Background, ChannelServices, Requests};
use crate::writer::Writer;
use keyway_channel::frame::FrameDecoder;
use keyway_channel::message::{
    FromHost, HostRequest, HostRequestId, ProtocolError, RawAnswer, RpcError, StateMigration,
    ToolCall, done, verdict_to_result,
};
use keyway_plugin_api::{
    Arguments, CallCx, CallInfo, HookEvent, HostServices, Manifest, Plugin, Tool, ToolError,
    ToolErrorKind, ToolOutput,
};

/// How long `stop` may take when the host is gone and nobody else counts.
const LAST_STOP: Duration = Duration::from_secs(2);

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// Threads for the timers and tasks that tools make for themselves.
const TIMER_THREADS: usize = 2;

/// Everything that the threads of one channel share.
struct Session {
    plugin: Arc<dyn Plugin>,
    manifest: Manifest,
    registered: OnceLock<Registered>,
    /// Whether `start` succeeded, so that `stop` has something to undo.
    is_started: OnceLock<()>,
    is_stopped: OnceLock<()>,
    calls: Arc<Calls>,
    requests: Arc<Requests>,
    services: Arc<dyn HostServices>,
    background: Background,
    writer: Writer,
    crew: Arc<Crew>,
}

/// Serves until the host says stop, goes away or breaks the protocol.
pub(crate) fn serve(
    plugin: Arc<dyn Plugin>,
    manifest: Manifest,
    opened: Opened,
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(TIMER_THREADS)
        .thread_name("keyway-timers")
        .enable_all()
        .build()
        .map_err(ServeError::io("the threads cannot be started"))?;
    let ended = run(plugin, manifest, opened, &runtime);
    // It ends with the process: a shutdown would wait for what blocks, and would make tools panic
    // that still wait for a timer.
    std::mem::forget(runtime);
    ended
}

fn run(
    plugin: Arc<dyn Plugin>,
    manifest: Manifest,
    opened: Opened,
    runtime: &tokio::runtime::Runtime,
) -> Ended {
    let limits = opened.verified.offer().limits;
    let stream = opened.stream.try_clone();
    let stream = stream.map_err(ServeError::io("the channel cannot be set up"))?;
    let writer = Writer::new(stream, limits);
    let requests = Requests::new(writer.clone(), limits);
    // A thread for every call that may block, and two more, so that one always reads.
    let threads = limits.inflight.clamp(2, 62) + 2;
    let session = Arc::new(Session {
        plugin,
        background: Background::new(manifest.name(), &requests),
        manifest,
        registered: OnceLock::new(),
        is_started: OnceLock::new(),
        is_stopped: OnceLock::new(),
        calls: Calls::new(limits.inflight),
        services: Arc::new(ChannelServices(Arc::clone(&requests))),
        requests,
        crew: Crew::new(threads, writer.clone(), runtime.handle().clone()),
        writer,
    });
    let reader = Reader {
        session: Arc::clone(&session),
        stream: opened.stream,
        decoder: opened.decoder,
        is_first: !opened.rest.is_empty(),
        bytes: opened.rest,
    };
    let ended = session.crew.serve(reader);
    if ended.is_err() {
        session.requests.abandon();
        session.calls.cancel_all();
        // Nobody is left who could be told that it took too long.
        let stop = async { tokio::time::timeout(LAST_STOP, session.stop()).await };
        drop(runtime.block_on(stop));
    }
    ended
}

/// Reads, answers what must not wait, and makes work of everything else.
pub(crate) struct Reader {
    session: Arc<Session>,
    stream: UnixStream,
    decoder: FrameDecoder,
    bytes: Vec<u8>,
    /// What came behind the handshake has not been taken in.
    is_first: bool,
}

impl Reader {
    /// Waits until the host has sent something, and returns how many bytes of it are here.
    pub(crate) fn wait(&mut self) -> Result<usize, ServeError> {
        if std::mem::take(&mut self.is_first) {
            return Ok(self.bytes.len());
        }
        self.bytes.resize(READ_BYTES, 0);
        loop {
            match self.stream.read(&mut self.bytes) {
                Ok(0) => {
                    self.decoder.finish().map_err(of_frame)?;
                    return Err(ServeError::Closed);
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                read => return read.map_err(ServeError::io("the channel cannot be read")),
            }
        }
    }

    /// Takes these bytes in.
    pub(crate) fn take(&mut self, count: usize, work: &mut Vec<Work>) -> Result<(), ServeError> {
        let mut input = self.bytes.get(..count).unwrap_or_default();
        while let Some(line) = self.decoder.next_line(&mut input).map_err(of_frame)? {
            take(&self.session, line, work)?;
        }
        Ok(())
    }
}

fn of_frame(error: keyway_channel::frame::FrameError) -> ServeError {
    ServeError::Protocol(error.into())
}

fn take(session: &Arc<Session>, line: &str, work: &mut Vec<Work>) -> Result<(), ProtocolError> {
    match FromHost::parse(line)? {
        FromHost::Answer { id, answer } => session.requests.answered(id, answer)?,
        FromHost::Cancelled { call } => session.calls.cancel(call),
        FromHost::Refused { id, error } => session.writer.answer(id, Err(error)),
        FromHost::Request { id, request } => work.extend(session.serve(id, request)),
        _ => {}
    }
    Ok(())
}

impl Session {
    /// Answers what must not wait; everything else is work for the crew.
    fn serve(self: &Arc<Self>, id: HostRequestId, request: HostRequest) -> Option<Work> {
        let session = Arc::clone(self);
        match request {
            HostRequest::CallTool(call) => session.call(id, call),
            HostRequest::RunHook { hook, event } => session.hook(id, hook, event),
            HostRequest::Ping => {
                self.writer.answer(id, self.calls.pong().to_result());
                None
            }
            HostRequest::Drain => {
                // Before the next line is read, so that what comes behind it is refused.
                self.calls.close();
                Some(Box::pin(async move {
                    session.calls.idle().await;
                    session.writer.answer(id, done());
                }))
            }
            HostRequest::Shutdown => Some(Box::pin(async move {
                session.calls.cancel_all();
                session.stop().await;
                session.writer.answer(id, done());
                let sent = session.writer.flush();
                session.crew.end(sent.map_err(|_| ServeError::Closed));
            })),
            request => Some(Box::pin(async move {
                let answer = session.prepare(request).await;
                session.writer.answer(id, answer);
            })),
        }
    }

    /// Serves what comes before the first call.
    async fn prepare(&self, request: HostRequest) -> RawAnswer {
        match request {
            HostRequest::Register { manifest, settings } => {
                let sent = (&*manifest, &*settings);
                let background = self.background.cx();
                let (registered, registration) =
                    register(&*self.plugin, &self.manifest, sent, background)?;
                let set = self.registered.set(registered);
                set.map_err(|_| RpcError::reason("the plugin has registered already"))?;
                registration.to_result()
            }
            HostRequest::Migrate(StateMigration { from, entries, .. }) => {
                let migrated = catch_async(self.plugin.migrate_state(from, entries)).await;
                let migrated = in_words("migrate_state", migrated)?;
                StateMigration::entries_to_result(&migrated)
            }
            HostRequest::Start => {
                let started = catch_async(self.plugin.start()).await;
                in_words("start", started)?;
                // A second start changes nothing: one `stop` follows either way.
                let _ = self.is_started.set(());
                done()
            }
            other => {
                let reason = format!("this version does not serve `{}`", other.method());
                Err(RpcError::reason(reason))
            }
        }
    }

    /// Runs the plugin's `stop`, once, and only if it was started.
    async fn stop(&self) {
        self.background.cancel();
        let is_first = self.is_stopped.set(()).is_ok();
        if is_first && self.is_started.get().is_some() {
            // A panic in `stop` leaves nothing to do but to exit, which comes next.
            drop(catch_async(self.plugin.stop()).await);
        }
    }

    fn call(self: Arc<Self>, id: HostRequestId, call: ToolCall) -> Option<Work> {
        let tool = self.registered.get().and_then(|r| r.tool(&call.name));
        let Some(tool) = tool else {
            let name: String = call.name.chars().take(64).collect();
            let message = format!("this plugin has no tool `{name}`");
            let error = ToolError::new(ToolErrorKind::NotFound, message);
            return self.refuse(id, RpcError::tool(&error));
        };
        let (plugin, caller) = (self.manifest.name().clone(), Arc::clone(&call.caller));
        let mut info = CallInfo::new(call.call, plugin, Arc::clone(&call.name), caller);
        info.deadline_ms = call.deadline_ms;
        let (cx, guard) = CallCx::begin(info, Arc::clone(&self.services));
        match self.calls.enter(Some((call.call, guard))) {
            Ok(place) => Some(Box::pin(async move {
                let outcome = run_tool(&*tool, &call, &cx).await;
                place.end();
                self.writer.output(id, outcome.as_ref());
                drop(place);
            })),
            Err(refused) => self.refuse(id, refused),
        }
    }

    fn hook(self: Arc<Self>, id: HostRequestId, hook: u32, event: HookEvent) -> Option<Work> {
        let Some(registered) = self.registered.get().and_then(|r| r.hook(hook)) else {
            let error = RpcError::reason(format!("this plugin has no hook {hook}"));
            return self.refuse(id, error);
        };
        match self.calls.enter(None) {
            Ok(place) => Some(Box::pin(async move {
                let verdict = catch_async(registered.hook.run(&event)).await;
                let answer = match verdict {
                    Ok(verdict) => verdict_to_result(verdict),
                    Err(panic) => Err(RpcError::reason(format!("the hook panicked: {panic}"))),
                };
                place.end();
                self.writer.answer(id, answer);
                drop(place);
            })),
            Err(refused) => self.refuse(id, refused),
        }
    }

    fn refuse(&self, id: HostRequestId, error: RpcError) -> Option<Work> {
        self.writer.answer(id, Err(error));
        None
    }
}

/// Runs a tool. Its call has to end before the answer goes out: what the tool left behind cannot
/// ask for anything then.
async fn run_tool(tool: &dyn Tool, call: &ToolCall, cx: &CallCx) -> Result<ToolOutput, ToolError> {
    let arguments = Arguments::new(call.arguments.get());
    let outcome = catch_async(tool.call(arguments, cx)).await;
    outcome.unwrap_or_else(|panic| Err(ToolError::internal(format!("the tool panicked: {panic}"))))
}

/// Turns a refusal or a panic of the plugin into its answer.
fn in_words<T, E: std::fmt::Display>(
    stage: &str,
    outcome: Result<Result<T, E>, String>,
) -> Result<T, RpcError> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failure)) => Err(RpcError::reason(failure.to_string())),
        Err(panic) => Err(RpcError::reason(format!("{stage} panicked: {panic}"))),
    }
}
