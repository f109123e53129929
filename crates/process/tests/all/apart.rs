//! A host in a process of its own, which a test can kill, stop and weigh: the test starts itself
//! again and tells the other one what it is there for.

use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Set for a process that is not the test.
const ROLE: &str = "KEYWAY_TEST_ROLE";

/// Returns what this process is there for, when a test started it.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Tells the test that started this process something.
pub(crate) fn tell(key: &str, value: impl Display) {
    // What the test harness prints ends no line.
    println!("\n{key}={value}");
}

/// The other process. Dropping it kills it.
pub(crate) struct Apart {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Apart {
    /// Starts this test, by its full name, in a process that has a role.
    pub(crate) fn start(test: &str, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(ROLE, role)
            // What is let go is given back at once, so that it does not hide what is taken next.
            .env("MALLOC_MMAP_THRESHOLD_", "65536")
            .env("MALLOC_TRIM_THRESHOLD_", "65536")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits until it tells this.
    pub(crate) fn hear(&mut self, key: &str) -> String {
        let told = |line: std::io::Result<String>| {
            let line = line.unwrap();
            let rest = line.strip_prefix(key)?.strip_prefix('=')?;
            Some(rest.to_owned())
        };
        let heard = self.lines.find_map(told);
        heard.unwrap_or_else(|| panic!("it ended without telling {key}"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns kibibytes of this process's memory: `VmRSS:` now, `VmHWM:` at most.
pub(crate) fn memory_kib(which: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

/// Lets `VmHWM` begin anew at what is held now.
pub(crate) fn forget_peak() {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/clear_refs");
    std::io::Write::write_all(&mut file.unwrap(), b"5").unwrap();
}

/// Returns the milliseconds of processor time that this process has used.
pub(crate) fn processor_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name in brackets may hold spaces.
    let fields = stat.rsplit_once(") ").unwrap().1;
    let ticks = fields.split(' ').skip(11).take(2);
    // A tick is 10 ms on every Linux that Rust knows.
    ticks.map(|field| field.parse::<u64>().unwrap() * 10).sum()
}
