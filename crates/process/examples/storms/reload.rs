//! L6: a plugin is replaced again and again under load.

use std::time::Duration;

use keyway_plugin_api::PluginId;
use serde_json::json;
use tokio::time::Instant;

use crate::Outcome;
use crate::load::{Load, count};
use crate::proc::resident_kib;
use crate::report::{Report, Times};
use crate::site::{Site, name};

/// Memory held at moments, in hours and mebibytes.
type Samples = Vec<(f64, f64)>;

/// More than there are on a fast machine.
const RELOADS_A_SECOND: usize = 200;

pub(crate) async fn storm(time: Duration, report: &mut Report) -> Outcome<()> {
    let site = Site::start(1).await?;
    let plugin = PluginId::parse(&name(0))?;
    let load = Load::start(&site, 1);
    let most = usize::try_from(time.as_secs())?.saturating_mul(RELOADS_A_SECOND);
    let (mut reloads, mut samples) = (held(Duration::MAX, most), held((1.0, 1.0), most));
    let began = Instant::now();
    while began.elapsed() < time {
        let version = reloads.len().to_string();
        let (packages, folder) = (&site.packages, name(0));
        packages.write_file(&folder, "version.txt", version.as_bytes());
        let asked = Instant::now();
        site.host.reload(&plugin).await?;
        reloads.push(asked.elapsed());
        // The first quarter fills what is kept.
        if began.elapsed() > time / 4 {
            let hours = began.elapsed().as_secs_f64() / 3_600.0;
            samples.push((hours, resident_kib()? as f64 / 1_024.0));
        }
    }
    let counts = load.end().await?;
    let seconds = began.elapsed().as_secs_f64();
    let left = site.end().await?;
    let lost = counts.values().sum::<u64>() - count(&counts, "answered");
    let rate = count(&counts, "answered") as f64 / seconds;
    let slope = slope(&samples);
    report.must(lost == 0, format!("{lost} calls were lost by reloads"));
    report.must(left == 0, format!("{left} processes are left of reloads"));
    let measured = format!(
        "{} reloads, {} calls ({rate:.0}/s), {lost} lost, {left} processes left, memory {slope:+.1} MiB/h over {seconds:.0} s",
        reloads.len(),
        count(&counts, "answered"),
    );
    let figures = json!({ "reloads": reloads.len(), "calls": counts, "lost": lost,
        "callsPerSecond": rate, "left": left, "mibPerHour": slope, "seconds": seconds });
    let goal = "reloads under 1,000 calls/s: none lost; memory ≤ 1 MiB/h";
    let is_met = lost == 0 && left == 0 && slope <= 1.0;
    report.fact(("L6", goal), (measured, figures), Some(is_met));
    report.times(("L6", "one reload"), &[], &Times::of(reloads));
    Ok(())
}

/// Makes a list that has its memory already: to fill it is not taken for growth of the host.
fn held<T: Clone>(filler: T, most: usize) -> Vec<T> {
    let mut list = vec![filler; most];
    list.clear();
    list
}

/// The slope of the straight line that lies closest to the samples.
fn slope(samples: &Samples) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let both: f64 = samples.iter().map(|s| (s.0 - x) * (s.1 - y)).sum();
    let square: f64 = samples.iter().map(|s| (s.0 - x).powi(2)).sum();
    both / square
}
