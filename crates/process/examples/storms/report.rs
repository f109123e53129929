//! Measured times, the goals beside them, and what must hold.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// What was measured, and what of it must not be.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    pub(crate) broken: Vec<String>,
}

/// One goal.
struct Row {
    id: &'static str,
    goal: String,
    measured: String,
    figures: Value,
    /// Nothing where there is no goal to compare with.
    is_met: Option<bool>,
}

impl Report {
    /// Notes that something must hold.
    pub(crate) fn must(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.broken.push(what.into());
        }
    }

    /// Puts measured times beside the longest that the median and another percentile may be.
    pub(crate) fn times(
        &mut self,
        (id, what): (&'static str, &str),
        goals: &[(usize, Duration)],
        times: &Times,
    ) {
        let told = |(percent, most): &(usize, Duration)| format!("p{percent} ≤ {}", shown(*most));
        let goal: Vec<_> = goals.iter().map(told).collect();
        let is_met = |(percent, most): &(usize, Duration)| {
            times.at(*percent).is_some_and(|measured| measured <= *most)
        };
        self.rows.push(Row {
            id,
            goal: match &goal[..] {
                [] => what.to_owned(),
                goal => format!("{what}: {}", goal.join(", ")),
            },
            measured: times.told(),
            figures: times.to_json(),
            is_met: match goals {
                [] => None,
                goals => Some(goals.iter().all(is_met)),
            },
        });
    }

    /// Puts anything else beside its goal.
    pub(crate) fn fact(
        &mut self,
        (id, goal): (&'static str, &str),
        (measured, figures): (String, Value),
        is_met: Option<bool>,
    ) {
        let goal = goal.to_owned();
        self.rows.push(Row {
            id,
            goal,
            measured,
            figures,
            is_met,
        });
    }

    pub(crate) fn to_json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            json!({ "id": row.id, "goal": row.goal, "measured": row.figures, "met": row.is_met })
        });
        let rows: Vec<_> = rows.collect();
        json!({ "goals": rows, "broken": self.broken }).to_string()
    }

    pub(crate) fn to_table(&self) -> String {
        let mut text = "| id | goal | measured | met? |\n|---|---|---|---|\n".to_owned();
        for row in &self.rows {
            let met = match row.is_met {
                Some(true) => "yes",
                Some(false) => "no",
                None => "–",
            };
            let line = (row.id, &row.goal, &row.measured);
            // Writing to a text does not fail.
            let _ = writeln!(text, "| {} | {} | {} | {met} |", line.0, line.1, line.2);
        }
        for what in &self.broken {
            let _ = writeln!(text, "BROKEN: {what}");
        }
        text
    }
}

/// Measured times, in order.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Returns the smallest measured time that so many of a hundred do not exceed (the nearest
    /// rank): with fewer than a hundred of them the 99th is the longest.
    pub(crate) fn at(&self, percent: usize) -> Option<Duration> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }

    fn told(&self) -> String {
        let at = |percent| self.at(percent).map_or_else(|| "nothing".to_owned(), shown);
        let count = self.0.len();
        let (median, p95, p99, longest) = (at(50), at(95), at(99), at(100));
        format!("p50 {median}, p95 {p95}, p99 {p99}, longest {longest} (n = {count})")
    }

    fn to_json(&self) -> Value {
        let us = |percent| {
            self.at(percent)
                .map(|time| time.as_nanos() as f64 / 1_000.0)
        };
        json!({ "n": self.0.len(), "p50Us": us(50), "p95Us": us(95), "p99Us": us(99), "maxUs": us(100) })
    }
}

/// A time in the unit that suits it.
pub(crate) fn shown(time: Duration) -> String {
    let us = time.as_nanos() as f64 / 1_000.0;
    match us {
        us if us < 1_000.0 => format!("{us:.1} µs"),
        us if us < 1_000_000.0 => format!("{:.1} ms", us / 1_000.0),
        us => format!("{:.2} s", us / 1_000_000.0),
    }
}
