//! A flood of webhooks: each several times, in no order, over many connections at once. Each that is accepted is followed,
//! and tells nothing twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde::Serialize;

use crate::daemon::{Daemon, Program};
use crate::kills::{delivery_of, signed};
use crate::script::{Script, Taken};
use crate::view::{View, complaints};
use crate::world::{Database, World, pause};

/// Contracts whose work is accepted meanwhile.
const CONTRACTS: u32 = 8;
/// How long it may take until every webhook is followed.
const REST: Duration = Duration::from_secs(120);

/// What the flood has shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Webhooks sent, repetitions among them.
    pub sent: usize,
    /// Of these acknowledged.
    pub acknowledged: usize,
    /// Different ones: as many are in the database, each followed.
    pub different: u32,
    /// Milliseconds for all answers.
    pub took: u64,
    /// Milliseconds from then until each was followed.
    pub followed: u64,
    /// Facts of acceptances in the database, one for each milestone that was accepted.
    pub acceptances: i64,
    /// What was wrong; empty: nothing.
    pub violations: Vec<String>,
}

/// Sends `different` webhooks, each `copies` times, over so many connections.
///
/// # Errors
/// The harness failed.
pub async fn run(
    program: &Program,
    (different, copies, connections): (u32, u32, usize),
    seed: u64,
) -> anyhow::Result<Report> {
    let world = World::start(None).await?;
    let mut daemon = Daemon::start(&world, program, None)?;
    anyhow::ensure!(daemon.accepting(Duration::from_secs(20)).await.is_some(), "the daemon does not start");
    let mut taken = Vec::new();
    for number in 0..CONTRACTS {
        Script { contracts: CONTRACTS }.act(&world, 0, number, &mut taken).await?;
    }
    let issues: Vec<String> = world.simulators.jira.issues().iter().map(|one| one.text("id")).collect();
    let mut letters: Vec<u32> = (0..different).flat_map(|letter| (0..copies).map(move |_| letter)).collect();
    letters.shuffle(&mut StdRng::seed_from_u64(seed));
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(connections).build()?;
    let (since, url) = (Instant::now(), format!("{}/hooks/jira", world.url()));
    let answers = futures_util::stream::iter(letters).map(|letter| {
        let issue = usize::try_from(letter).ok().and_then(|letter| issues.get(letter.checked_rem(issues.len())?));
        let issue = issue.map_or("1", String::as_str);
        let body = format!(
            r#"{{"webhookEvent":"jira:issue_updated","issue":{{"id":"{issue}"}},"matchedWebhookIds":[{letter}]}}"#
        );
        let name = delivery_of(&body);
        let hook = client.post(&url).header("x-hub-signature", signed(&body)).body(body);
        async move { (name, hook.send().await.is_ok_and(|answer| answer.status().is_success())) }
    });
    let answers: Vec<(String, bool)> = answers.buffer_unordered(connections).collect().await;
    let mut report = Report {
        sent: answers.len(),
        different,
        took: u64::try_from(since.elapsed().as_millis())?,
        ..Report::default()
    };
    report.acknowledged = answers.iter().filter(|(_, taken)| *taken).count();
    taken.extend(
        answers.iter().filter(|(_, taken)| *taken).map(|(name, _)| Taken::Webhook("jira".into(), name.clone())),
    );
    let flood: BTreeSet<&str> = answers.iter().map(|(name, _)| name.as_str()).collect();
    settle(&world, &flood, &mut report).await?;
    daemon.kill()?;
    report.violations.extend(crate::taken::missing(&world.database, &taken).await?);
    report.violations.extend(complaints(&world, program)?);
    Ok(report)
}

/// Waits until all is followed and invoiced, and counts what is in the database.
async fn settle(world: &World, flood: &BTreeSet<&str>, report: &mut Report) -> anyhow::Result<()> {
    let Database::File(path) = &world.database else { anyhow::bail!("a file") };
    let rows = rusqlite::Connection::open(path)?;
    let count = |sql: &str| rows.query_row(sql, [], |row| row.get::<_, i64>(0));
    let names: Vec<String> = flood.iter().map(|name| format!("'{name}'")).collect();
    let (since, flood) = (Instant::now(), format!("FROM hint WHERE delivery IN ({})", names.join(", ")));
    let open = format!("SELECT count(*) {flood} AND done_at IS NULL");
    while since.elapsed() < REST && count(&open)? > 0 {
        pause(Duration::from_millis(50)).await;
    }
    report.followed = u64::try_from(since.elapsed().as_millis())?;
    // Contracts whose deal was not won in time have their invoices held.
    let wanted = Script { contracts: CONTRACTS }.invoices_of_first_day();
    while since.elapsed() < REST && View::of(world).invoices() < wanted {
        pause(Duration::from_millis(50)).await;
    }
    let (stored, open) = (count(&format!("SELECT count(*) {flood}"))?, count(&open)?);
    let twice = "SELECT count(*) FROM (SELECT 1 FROM fact WHERE json_extract(fact, '$.type') = 'accepted'
                 GROUP BY contract, json_extract(fact, '$.milestone') HAVING count(*) > 1)";
    report.acceptances = count("SELECT count(*) FROM fact WHERE json_extract(fact, '$.type') = 'accepted'")?;
    let invoices = View::of(world).invoices();
    let mut wrong = |holds: bool, what: String| report.violations.extend((!holds).then_some(what));
    wrong(report.acknowledged == report.sent, format!("{} of {} acknowledged", report.acknowledged, report.sent));
    wrong(stored == i64::from(report.different), format!("{stored} webhooks are stored"));
    wrong(open == 0, format!("{open} webhooks were not followed"));
    wrong(count(twice).context("facts")? == 0, "an acceptance is there twice".into());
    wrong(report.acceptances > 0, "no acceptance came".into());
    wrong(invoices == wanted, format!("{invoices} invoices instead of {wanted}"));
    Ok(())
}
