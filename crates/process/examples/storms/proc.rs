//! What `/proc` knows of this process and its plugins'.

use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;
use tokio::time::{Instant, sleep};

use crate::Outcome;

/// How long things may take to settle before they count as left over.
const SETTLE: Duration = Duration::from_secs(10);

/// Threads, open descriptors and unreaped children of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
    pub(crate) zombies: usize,
}

impl Held {
    pub(crate) fn now() -> Outcome<Self> {
        let count = |folder| std::fs::read_dir(folder).map(Iterator::count);
        Ok(Self {
            threads: count("/proc/self/task")?,
            descriptors: count("/proc/self/fd")?,
            zombies: zombies()?,
        })
    }
}

/// Waits until a count has come down to what is wanted, and returns where it is then or in the end.
pub(crate) async fn settle(count: impl Fn() -> Outcome<usize>, wanted: usize) -> Outcome<usize> {
    let began = Instant::now();
    loop {
        let now = count()?;
        if now <= wanted || began.elapsed() > SETTLE {
            return Ok(now);
        }
        sleep(Duration::from_millis(2)).await;
    }
}

/// The processes of this machine whose command line holds a word.
pub(crate) fn processes_of(word: &str) -> Outcome<Vec<Pid>> {
    let holds = |process: &Path| {
        // One that ends meanwhile has no command line.
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    };
    processes(holds)
}

/// Children of this process that have ended and were not waited for.
fn zombies() -> Outcome<usize> {
    let own = format!("Z {} ", std::process::id());
    let is_zombie = |process: &Path| {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ");
        fields.is_some_and(|(_, fields)| fields.starts_with(&own))
    };
    Ok(processes(is_zombie)?.len())
}

fn processes(is_wanted: impl Fn(&Path) -> bool) -> Outcome<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(pid) = number.and_then(Pid::from_raw)
            && is_wanted(&entry.path())
        {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Kibibytes of memory that this process holds.
pub(crate) fn resident_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("there is no VmRSS")?.parse()?)
}
