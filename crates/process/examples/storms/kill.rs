//! L5: processes are killed again and again while calls go on.

use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::Outcome;
use crate::load::{Load, count};
use crate::proc::{Held, settle};
use crate::report::{Report, Times};
use crate::site::Site;

/// A kill comes this often.
const EVERY: Duration = Duration::from_millis(100);

/// What the kills were, and how long tools stayed visible after those that could be timed.
struct Kills {
    count: usize,
    visible: Vec<Duration>,
}

pub(crate) async fn storm(time: Duration, plugins: usize, report: &mut Report) -> Outcome<()> {
    // Whatever is made once and kept is made here.
    Site::start(1).await?.end().await?;
    sleep(Duration::from_millis(500)).await;
    let before = Held::now()?;
    let site = Site::start(plugins).await?;
    let load = Load::start(&site, plugins);
    let kills = kill_often(&site, time).await?;
    let counts = load.end().await?;
    let away = settle(|| Ok(plugins - site.listed()), 0).await?;
    let left = site.end().await?;
    let after = settled(before).await?;
    let hung = count(&counts, "hung");
    report.must(kills.count > 0, "nothing was killed");
    report.must(count(&counts, "answered") > 0, "no call was answered");
    report.must(hung == 0, format!("{hung} calls hung"));
    report.must(away == 0, format!("{away} plugins did not come back"));
    report.must(left == 0, format!("{left} processes are left"));
    report.must(after.threads <= before.threads, "threads are left");
    report.must(
        after.descriptors <= before.descriptors,
        "descriptors are left",
    );
    report.must(
        after.zombies <= before.zombies,
        "children were not waited for",
    );
    let holds = away + left == 0 && hung == 0 && after.no_more_than(before);
    let measured = format!(
        "{} kills of one of {plugins} plugins: {hung} calls hung, {left} processes left; threads {} → {}, descriptors {} → {}, zombies {} → {}; calls: {}",
        kills.count,
        before.threads,
        after.threads,
        before.descriptors,
        after.descriptors,
        before.zombies,
        after.zombies,
        json!(counts),
    );
    let figures = json!({ "kills": kills.count, "plugins": plugins, "calls": counts, "left": left,
        "threads": [before.threads, after.threads], "zombies": [before.zombies, after.zombies],
        "descriptors": [before.descriptors, after.descriptors] });
    let goal = "kill -9 every 100 ms: no hung call; processes, threads, descriptors, zombies back";
    report.fact(("L5", goal), (measured, figures), Some(holds));
    let goals = [
        (50, Duration::from_millis(5)),
        (99, Duration::from_millis(100)),
    ];
    let what = ("L5", "tools out of the registry after a kill");
    report.times(what, &goals, &Times::of(kills.visible));
    Ok(())
}

impl Held {
    fn no_more_than(self, before: Self) -> bool {
        self.threads <= before.threads
            && self.descriptors <= before.descriptors
            && self.zombies <= before.zombies
    }
}

/// Waits until what is held has come down to what was, and returns what is held then or in the end.
async fn settled(before: Held) -> Outcome<Held> {
    let excess = || {
        let now = Held::now()?;
        Ok(usize::from(!now.no_more_than(before)))
    };
    settle(excess, 0).await?;
    Held::now()
}

/// Kills a random process of any plugin, its program or what looks after it.
async fn kill_often(site: &Site, time: Duration) -> Outcome<Kills> {
    let (mut kills, mut random) = (
        Kills {
            count: 0,
            visible: Vec::new(),
        },
        4711_usize,
    );
    let began = Instant::now();
    while began.elapsed() < time {
        let next = Instant::now() + EVERY;
        let pids = site.processes()?;
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let pid = pids.get((random >> 33) % pids.len().max(1)).copied();
        if let Some(pid) = pid {
            let serving = site.plugin_of(pid).filter(|plugin| site.is_listed(*plugin));
            let killed = Instant::now();
            if kill_process(pid, Signal::KILL).is_ok() {
                kills.count += 1;
                if let Some(plugin) = serving {
                    kills.visible.extend(out(site, plugin, killed).await);
                }
            }
        }
        tokio::time::sleep_until(next).await;
    }
    Ok(kills)
}

/// Waits until a plugin's tools are out, and returns when that was after the kill.
async fn out(site: &Site, plugin: usize, killed: Instant) -> Option<Duration> {
    let mut changes = site.host.changes();
    let wait = async {
        while site.is_listed(plugin) {
            // The host is there for as long as its site.
            let _ = changes.changed().await;
        }
    };
    let is_out = timeout(EVERY * 50, wait).await.is_ok();
    is_out.then(|| killed.elapsed())
}
