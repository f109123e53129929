//! The threads of a plugin: they read the channel and run what it asks for.
//!
//! One of them leads. It reads, runs what it has read, and sends the answers together: a burst of
//! short calls costs one read and one write, and a lone call wakes nobody. A call that blocks would
//! keep the leader from reading, so it is watched: whoever is still at the same job a moment later
//! loses the lead to another thread, and goes on as one of the rest. No thread is made before it is
//! needed.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::error::ServeError;
use crate::session::Reader;
use crate::writer::Writer;

/// How often the leader is looked after, and how long an answer waits for others at most.
const TICK: Duration = Duration::from_millis(2);
/// Ticks without a call after which nobody looks until the next one.
const QUIET_TICKS: u32 = 50;
/// How long a thread without work is kept.
const IDLE: Duration = Duration::from_secs(10);

/// Something to run to its end.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the channel came to its end: the host said so, or what happened instead.
pub(crate) type Ended = Result<(), ServeError>;

/// The threads of a plugin.
pub(crate) struct Crew {
    state: Mutex<State>,
    /// Calls threads that wait.
    call: Condvar,
    /// Calls whoever watches the leader.
    watch: Condvar,
    reader: OnceLock<Mutex<Reader>>,
    writer: Writer,
    /// Where the tools' own timers and tasks are.
    tokio: Handle,
}

struct State {
    jobs: VecDeque<Arc<Job>>,
    /// Number of the thread that leads; `None` while the lead waits for one.
    leader: Option<u64>,
    /// The leader waits for the host.
    is_reading: bool,
    /// Grows with everything that the leader begins.
    steps: u64,
    /// Answers have waited for long enough.
    is_flush_due: bool,
    is_watched: bool,
    threads: usize,
    most: usize,
    /// Threads that wait and were not called.
    idle: usize,
    /// Threads that were called and have not come.
    called: usize,
    last_number: u64,
    ended: Option<Ended>,
    is_over: bool,
}

/// What a thread does next.
enum Next {
    Run(Arc<Job>),
    Send,
    /// There is nothing to run now.
    Rest,
}

impl Crew {
    /// Makes a crew of at most so many threads. None of them runs yet.
    pub(crate) fn new(most: usize, writer: Writer, tokio: Handle) -> Arc<Self> {
        let state = State {
            jobs: VecDeque::new(),
            leader: None,
            is_reading: false,
            steps: 0,
            is_flush_due: false,
            is_watched: false,
            threads: 0,
            most,
            idle: 0,
            called: 0,
            last_number: 0,
            ended: None,
            is_over: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            call: Condvar::new(),
            watch: Condvar::new(),
            reader: OnceLock::new(),
            writer,
            tokio,
        })
    }

    /// Serves what a reader reads, and watches the leader until the channel has ended.
    pub(crate) fn serve(self: &Arc<Self>, reader: Reader) -> Ended {
        drop(self.reader.set(Mutex::new(reader)));
        let mut state = self.state();
        self.start_thread(&mut state)
            .map_err(ServeError::io("a thread cannot be started"))?;
        self.look_after(state)
    }

    /// Says how the channel ended; the first word counts.
    pub(crate) fn end(&self, ended: Ended) {
        let mut state = self.state();
        if !state.is_over {
            state.is_over = true;
            state.ended = Some(ended);
        }
        drop(state);
        self.watch.notify_one();
    }

    fn look_after(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> Ended {
        let (mut seen, mut quiet) = (state.steps, 0);
        loop {
            if let Some(ended) = state.ended.take() {
                return ended;
            }
            let is_quiet = quiet >= QUIET_TICKS;
            state.is_watched = !is_quiet;
            state = match is_quiet {
                true => wait(&self.watch, state, Duration::MAX),
                false => wait(&self.watch, state, TICK),
            };
            let has_moved = std::mem::replace(&mut seen, state.steps) != state.steps;
            match has_moved || state.is_reading {
                true => state.is_flush_due = true,
                false => self.replace_leader(&mut state),
            }
            quiet = if has_moved { 0 } else { quiet + 1 };
        }
    }

    /// Takes the lead from a thread that is held up, and calls one for each job that it left.
    fn replace_leader(self: &Arc<Self>, state: &mut State) {
        state.leader = None;
        for _ in 0..=state.jobs.len() {
            self.call_thread(state);
        }
    }

    /// Runs one thread until there is nothing for it.
    fn run(self: &Arc<Self>, me: u64) {
        let _timers = self.tokio.enter();
        loop {
            match self.next(me) {
                Next::Run(job) => self.run_job(&job),
                // The reader sees a channel that is gone.
                Next::Send => drop(self.writer.flush()),
                Next::Rest => {
                    drop(self.writer.flush());
                    if !self.rest(me) {
                        return;
                    }
                }
            }
        }
    }

    fn next(&self, me: u64) -> Next {
        let mut state = self.state();
        if state.leader.is_none() {
            state.leader = Some(me);
        }
        let leads = state.leader == Some(me);
        // What the others run may block, so an answer of theirs does not wait for the next one.
        let is_due = std::mem::take(&mut state.is_flush_due);
        if is_due || (!leads && self.writer.has_gathered()) {
            return Next::Send;
        }
        if leads {
            self.note_step(&mut state);
        }
        match leads && !state.may_leader_run() {
            true => Next::Rest,
            false => state.jobs.pop_front().map_or(Next::Rest, Next::Run),
        }
    }

    /// Waits: the leader for the host, everybody else for a call. Tells whether to go on.
    fn rest(self: &Arc<Self>, me: u64) -> bool {
        let mut state = self.state();
        if state.leader == Some(me) && !state.is_over {
            if state.jobs.is_empty() || !state.may_leader_run() {
                state.is_reading = true;
                drop(state);
                self.read(me);
            }
            return true;
        }
        state.idle += 1;
        while state.called == 0 {
            let waited = self.call.wait_timeout(state, IDLE);
            let is_late;
            (state, is_late) = waited.unwrap_or_else(PoisonError::into_inner);
            if is_late.timed_out() && state.called == 0 {
                state.idle -= 1;
                state.threads -= 1;
                return false;
            }
        }
        state.called -= 1;
        true
    }

    /// Waits for the host and takes in what it sent.
    fn read(self: &Arc<Self>, me: u64) {
        let Some(reader) = self.reader.get() else {
            return;
        };
        let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
        let count = reader.wait();
        {
            let mut state = self.state();
            state.is_reading = false;
            self.note_step(&mut state);
        }
        let mut work = Vec::new();
        let taken = count.and_then(|count| reader.take(count, &mut work));
        drop(reader);
        let mut state = self.state();
        for work in work {
            state.jobs.push_back(Job::new(self, work));
        }
        // Who lost the lead while it took them in runs one of them, and another thread waits for the
        // host and for nothing else.
        if state.leader != Some(me) || !state.may_leader_run() {
            for _ in 0..state.jobs.len() {
                self.call_thread(&mut state);
            }
        }
        drop(state);
        if let Err(error) = taken {
            self.end(Err(error));
        }
    }

    /// Counts a step of the leader, and sees to it that somebody watches for the next one.
    fn note_step(&self, state: &mut State) {
        state.steps += 1;
        if !std::mem::replace(&mut state.is_watched, true) {
            self.watch.notify_one();
        }
    }

    /// Runs a job again; it has something to do.
    fn push(self: &Arc<Self>, job: Arc<Job>) {
        let mut state = self.state();
        state.jobs.push_back(job);
        // A leader that does not wait comes to it by itself.
        if state.is_reading || state.is_over || !state.may_leader_run() {
            self.call_thread(&mut state);
        }
    }

    fn run_job(self: &Arc<Self>, job: &Arc<Job>) {
        // The future catches the panics of the plugin; one of ours ends this job and no thread.
        drop(catch_unwind(AssertUnwindSafe(|| job.run())));
    }

    fn call_thread(self: &Arc<Self>, state: &mut State) {
        if state.idle > 0 {
            state.idle -= 1;
            state.called += 1;
            self.call.notify_one();
        } else if state.threads < state.most && self.start_thread(state).is_err() {
            // The system has no more for us.
            state.most = state.threads;
        }
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) -> std::io::Result<()> {
        let (crew, me) = (Arc::clone(self), state.last_number + 1);
        let builder = std::thread::Builder::new().name("keyway".to_owned());
        builder.spawn(move || crew.run(me))?;
        state.last_number = me;
        state.threads += 1;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The leader runs nothing where nobody could take the lead from it.
    fn may_leader_run(&self) -> bool {
        self.idle > 0 || self.threads < self.most || self.threads == 1
    }
}

fn wait<'a>(
    condvar: &Condvar,
    state: MutexGuard<'a, State>,
    limit: Duration,
) -> MutexGuard<'a, State> {
    match limit {
        Duration::MAX => condvar.wait(state).unwrap_or_else(PoisonError::into_inner),
        limit => {
            let waited = condvar.wait_timeout(state, limit);
            waited.unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

/// Something that runs, polled by whichever thread comes to it.
struct Job {
    crew: Arc<Crew>,
    work: Mutex<Option<Work>>,
    is_queued: AtomicBool,
}

impl Job {
    fn new(crew: &Arc<Crew>, work: Work) -> Arc<Self> {
        Arc::new(Self {
            crew: Arc::clone(crew),
            work: Mutex::new(Some(work)),
            is_queued: AtomicBool::new(true),
        })
    }

    fn run(self: &Arc<Self>) {
        // From here on a wake counts for the next time.
        self.is_queued.store(false, Ordering::Release);
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(future) = work.as_mut() else {
            return;
        };
        let waker = Waker::from(Arc::clone(self));
        if future.as_mut().poll(&mut Context::from_waker(&waker)) != Poll::Pending {
            *work = None;
        }
    }
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            let crew = Arc::clone(&self.crew);
            crew.push(self);
        }
    }
}
