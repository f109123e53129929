//! An open channel from its first request to its end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keyway_channel::frame::FrameDecoder;
use keyway_channel::message::{
    FromHost, HostRequest, HostRequestId, ProtocolError, RawAnswer, RpcError, StateMigration,
    ToolCall, done, output_to_result, verdict_to_result,
};
use keyway_plugin_api::{
    Arguments, CallCx, CallInfo, HookEvent, HostServices, Manifest, Plugin, Tool, ToolError,
    ToolErrorKind,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::oneshot;

use crate::calls::Calls;
use crate::error::ServeError;
use crate::opening::Opened;
use crate::panics::catch_async;
use crate::registered::{Registered, register};
use crate::requests::{ChannelServices, Requests};
use crate::writer::Writer;

/// How long `stop` may take when the host is gone and nobody else counts.
const LAST_STOP: Duration = Duration::from_secs(2);

/// Everything that the tasks of one channel share.
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
    writer: Writer,
}

/// Serves until the host says stop, goes away or breaks the protocol.
pub(crate) fn serve(
    plugin: Arc<dyn Plugin>,
    manifest: Manifest,
    opened: Opened,
) -> Result<(), ServeError> {
    let limits = opened.verified.offer().limits;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // A thread for every call that may block, and two more, so that the reader always has one.
        .worker_threads(limits.inflight.clamp(2, 62) + 2)
        .thread_name("keyway")
        .enable_all()
        .build()
        .map_err(ServeError::io("the threads cannot be started"))?;
    let ended = runtime.block_on(run(plugin, manifest, opened));
    // A tool that never returns must not keep the process.
    runtime.shutdown_background();
    ended
}

async fn run(
    plugin: Arc<dyn Plugin>,
    manifest: Manifest,
    opened: Opened,
) -> Result<(), ServeError> {
    let limits = opened.verified.offer().limits;
    let set_up = |e| ServeError::io("the channel cannot be set up")(e);
    opened.stream.set_nonblocking(true).map_err(set_up)?;
    let stream = tokio::net::UnixStream::from_std(opened.stream).map_err(set_up)?;
    let (reading, writing) = stream.into_split();
    let writer = Writer::new(writing, limits);
    let requests = Requests::new(writer.clone(), limits);
    let session = Arc::new(Session {
        plugin,
        manifest,
        registered: OnceLock::new(),
        is_started: OnceLock::new(),
        is_stopped: OnceLock::new(),
        calls: Calls::new(limits.inflight),
        services: Arc::new(ChannelServices(Arc::clone(&requests))),
        requests,
        writer,
    });
    let (tell_shutdown, shutdown) = oneshot::channel();
    let reader = Reader {
        session: Arc::clone(&session),
        half: reading,
        decoder: opened.decoder,
        shutdown: Some(tell_shutdown),
    };
    let mut reader = tokio::spawn(reader.read(opened.rest));
    let ended = tokio::select! {
        biased;
        Ok(()) = shutdown => return Ok(()),
        ended = &mut reader => ended,
    };
    session.requests.abandon();
    session.calls.cancel_all();
    // Nobody is left who could be told that it took too long.
    drop(tokio::time::timeout(LAST_STOP, session.stop()).await);
    match ended {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Err(ServeError::Closed),
    }
}

/// Reads, answers what must not wait, and starts a task for everything else.
struct Reader {
    session: Arc<Session>,
    half: OwnedReadHalf,
    decoder: FrameDecoder,
    shutdown: Option<oneshot::Sender<()>>,
}

impl Reader {
    /// Reads to the end of the channel.
    async fn read(mut self, mut bytes: Vec<u8>) -> Result<(), ServeError> {
        let mut read = bytes.len();
        bytes.resize(64 * 1024 + read, 0);
        loop {
            let mut input = &bytes[..read];
            while let Some(line) = self.decoder.next_line(&mut input).map_err(of_frame)? {
                take(&self.session, line, &mut self.shutdown)?;
            }
            read = self
                .half
                .read(&mut bytes)
                .await
                .map_err(ServeError::io("the channel cannot be read"))?;
            if read == 0 {
                return self.decoder.finish().map_err(of_frame);
            }
        }
    }
}

fn of_frame(error: keyway_channel::frame::FrameError) -> ServeError {
    ServeError::Protocol(error.into())
}

fn take(
    session: &Arc<Session>,
    line: &str,
    shutdown: &mut Option<oneshot::Sender<()>>,
) -> Result<(), ProtocolError> {
    match FromHost::parse(line)? {
        FromHost::Answer { id, answer } => session.requests.answered(id, answer)?,
        FromHost::Cancelled { call } => session.calls.cancel(call),
        FromHost::Refused { id, error } => session.answer_soon(id, Err(error)),
        FromHost::Request { id, request } => session.serve(id, request, shutdown),
        _ => {}
    }
    Ok(())
}

impl Session {
    /// Answers without holding up the reader.
    fn answer_soon(self: &Arc<Self>, id: HostRequestId, answer: RawAnswer) {
        let session = Arc::clone(self);
        tokio::spawn(async move { session.writer.answer(id, answer).await });
    }

    fn serve(
        self: &Arc<Self>,
        id: HostRequestId,
        request: HostRequest,
        shutdown: &mut Option<oneshot::Sender<()>>,
    ) {
        let session = Arc::clone(self);
        match request {
            HostRequest::CallTool(call) => session.call(id, call),
            HostRequest::RunHook { hook, event } => session.hook(id, hook, event),
            HostRequest::Ping => {
                let pong = self.calls.pong();
                self.answer_soon(id, pong.to_result());
            }
            HostRequest::Drain => {
                // Before the next line is read, so that what comes behind it is refused.
                self.calls.close();
                drop(tokio::spawn(async move {
                    session.calls.idle().await;
                    session.writer.answer(id, done()).await;
                }));
            }
            HostRequest::Shutdown => {
                let tell = shutdown.take();
                drop(tokio::spawn(async move {
                    session.calls.cancel_all();
                    session.stop().await;
                    session.writer.answer(id, done()).await;
                    tell.map(|tell| tell.send(()))
                }));
            }
            request => drop(tokio::spawn(async move {
                let answer = session.prepare(request).await;
                session.writer.answer(id, answer).await;
            })),
        }
    }

    /// Serves what comes before the first call.
    async fn prepare(&self, request: HostRequest) -> RawAnswer {
        match request {
            HostRequest::Register { manifest, settings } => {
                let (registered, registration) =
                    register(&*self.plugin, &self.manifest, &manifest, &settings)?;
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
        let is_first = self.is_stopped.set(()).is_ok();
        if is_first && self.is_started.get().is_some() {
            // A panic in `stop` leaves nothing to do but to exit, which comes next.
            drop(catch_async(self.plugin.stop()).await);
        }
    }

    fn call(self: Arc<Self>, id: HostRequestId, call: ToolCall) {
        let tool = self.registered.get().and_then(|r| r.tool(&call.name));
        let Some(tool) = tool else {
            let name: String = call.name.chars().take(64).collect();
            let message = format!("this plugin has no tool `{name}`");
            let error = ToolError::new(ToolErrorKind::NotFound, message);
            return self.answer_soon(id, Err(RpcError::tool(&error)));
        };
        let (plugin, caller) = (self.manifest.name().clone(), call.caller.as_str().into());
        let mut info = CallInfo::new(call.call, plugin, call.name.as_str().into(), caller);
        info.deadline_ms = call.deadline_ms;
        let (cx, guard) = CallCx::begin(info, Arc::clone(&self.services));
        match self.calls.enter(Some((call.call, guard))) {
            Ok(place) => drop(tokio::spawn(async move {
                let answer = run_tool(&*tool, &call, &cx).await;
                place.end();
                self.writer.answer(id, answer).await;
                drop(place);
            })),
            Err(refused) => self.answer_soon(id, Err(refused)),
        }
    }

    fn hook(self: Arc<Self>, id: HostRequestId, hook: u32, event: HookEvent) {
        let Some(registered) = self.registered.get().and_then(|r| r.hook(hook)) else {
            let error = RpcError::reason(format!("this plugin has no hook {hook}"));
            return self.answer_soon(id, Err(error));
        };
        match self.calls.enter(None) {
            Ok(place) => drop(tokio::spawn(async move {
                let verdict = catch_async(registered.hook.run(&event)).await;
                let answer = match verdict {
                    Ok(verdict) => verdict_to_result(verdict),
                    Err(panic) => Err(RpcError::reason(format!("the hook panicked: {panic}"))),
                };
                place.end();
                self.writer.answer(id, answer).await;
                drop(place);
            })),
            Err(refused) => self.answer_soon(id, Err(refused)),
        }
    }
}

/// Runs a tool. Its call has to end before the answer goes out: what the tool left behind cannot
/// ask for anything then.
async fn run_tool(tool: &dyn Tool, call: &ToolCall, cx: &CallCx) -> RawAnswer {
    let arguments = Arguments::new(call.arguments.get());
    let outcome = catch_async(tool.call(arguments, cx)).await;
    let outcome = outcome
        .unwrap_or_else(|panic| Err(ToolError::internal(format!("the tool panicked: {panic}"))));
    output_to_result(outcome.as_ref())
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
