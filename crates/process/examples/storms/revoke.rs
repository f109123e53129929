//! L10: an operator revokes a plugin that is busy.

use std::time::Duration;

use keyway_host::catalog::Operation;
use keyway_host::operator::OperatorId;
use keyway_plugin_api::PluginId;
use tokio::time::{Instant, sleep, timeout};

use crate::Outcome;
use crate::load::HUNG;
use crate::proc::settle;
use crate::report::{Report, Times};
use crate::site::{Site, name};

/// How long it took, from the operator's word on.
#[derive(Default)]
struct Revocations {
    refused: Vec<Duration>,
    done: Vec<Duration>,
    gone: Vec<Duration>,
}

pub(crate) async fn busy(time: Duration, report: &mut Report) -> Outcome<()> {
    let (mut all, began) = (Revocations::default(), Instant::now());
    while began.elapsed() < time {
        revoke(&mut all, report).await?;
    }
    let ms = |ms| [(99, Duration::from_millis(ms))];
    let told = |what| ("L10", what);
    report.times(
        told("revoke of a busy plugin, from the operator's word to the first refused call"),
        &ms(1),
        &Times::of(all.refused),
    );
    report.times(
        told("until no process is left"),
        &ms(2_000),
        &Times::of(all.gone),
    );
    report.times(told("until it is durable"), &[], &Times::of(all.done));
    Ok(())
}

async fn revoke(all: &mut Revocations, report: &mut Report) -> Outcome<()> {
    let site = Site::start(1).await?;
    let view = site.view();
    let busy = tokio::spawn(async move { view.call("p0/sleep", r#"{"ms":20000}"#).await });
    sleep(Duration::from_millis(50)).await;
    let operation = Operation::Revoke {
        plugin: PluginId::parse(&name(0))?,
        by: OperatorId::host(),
        reason: "a storm".to_owned(),
    };
    let (view, began) = (site.view(), Instant::now());
    // A task of its own: counting processes below holds up the one that does it.
    let refusal = tokio::spawn(async move {
        while view.call("p0/echo", "{}").await.is_ok() {}
        began.elapsed()
    });
    let end = async {
        let left = settle(|| Ok(site.processes()?.len()), 0).await?;
        Outcome::Ok((left, began.elapsed()))
    };
    let revocation = async {
        site.host.run(&operation).await?;
        Outcome::Ok(began.elapsed())
    };
    let (done, refused, end) = tokio::join!(revocation, refusal, end);
    let (left, gone) = end?;
    report.must(
        left == 0,
        format!("{left} processes are left of a revocation"),
    );
    let is_over = timeout(HUNG, busy).await.is_ok();
    report.must(is_over, "the call in flight hung");
    all.refused.push(refused?);
    all.gone.push(gone);
    all.done.push(done?);
    site.end().await?;
    Ok(())
}
