//! Home: what needs somebody today first, then the figures, then how they went month by month.

use std::cmp::Reverse;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use milestoned_mapping::money::grouped;
use serde::Deserialize;

use super::charts::{Bar, Chart, bars, lines, waterfall};
use super::lists::Head;
use super::person::Person;
use super::{filters, render};
use crate::environment::Environment;
use crate::review::entry::Entry;
use crate::review::figures::{Figures, Late, MonthOf, Silence, figures, late, silences};
use crate::review::item::Item;
use crate::review::line::Brief;
use crate::review::listing::window;
use crate::review::portfolio::Summary;
use crate::review::queue;
use crate::review::selection::{Selection, Tab, TabCount};
use crate::review::snapshot::Snapshot;
use crate::store::census;
use crate::store::intake::StreamHealth;
use crate::web::extract::Parameters;
use crate::web::problem::ApiError;

/// Rows of each list on this page.
const FEW: usize = 6;
/// How long a stream may be read up to before it counts as behind; what is counted once a day, a day longer.
const BEHIND: SignedDuration = SignedDuration::from_hours(2);
const COUNTED: SignedDuration = SignedDuration::from_hours(26);

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    person: Person,
    to_approve: TabCount,
    blocked: TabCount,
    parked: TabCount,
    silences: Vec<Silence>,
    silent: usize,
    late: Vec<Late>,
    late_count: usize,
    /// What is overdue, by currency.
    overdue: String,
    /// What was halted, refused or could not be taken, the first few.
    halted: Vec<Arc<Item>>,
    /// Exceptions that hold an invoice back, the first few.
    held_back: Vec<Arc<Item>>,
    behind: Vec<StreamHealth>,
    figures: Vec<Figures>,
    currency: String,
    charts: Vec<Chart>,
    heads: Vec<Head>,
    contracts: Vec<Summary>,
    contract_count: usize,
    today: Date,
}

impl HomePage {
    fn is_quiet(&self) -> bool {
        let counts = [self.to_approve.count, self.blocked.count, self.parked.count, self.silent, self.late_count];
        counts.iter().all(|count| *count == 0) && self.behind.is_empty()
    }
}

/// Whose trends are shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    currency: String,
}

/// `GET /`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let (halted, held_back) = (few(&env, &snapshot, Tab::Parked).await?, few(&env, &snapshot, Tab::Blocked).await?);
    let [_, to_approve, blocked, _, parked, _] = Selection::default().pick(&snapshot.items, &today).tabs;
    let figures = figures(&snapshot, today);
    let shown = figures.iter().find(|figure| figure.currency == asked.currency).or(figures.first());
    let ((silences, silent), (late, late_count)) = (silences(&snapshot, FEW), late(&snapshot, today, FEW));
    let charts = shown.map(trends).unwrap_or_default();
    let overdue = figures.iter().filter(|figure| figure.overdue.minor() != 0);
    let overdue: Vec<String> =
        overdue.map(|figures| format!("{} {}", grouped(&figures.overdue.to_string()), figures.currency)).collect();
    Ok(render(&HomePage {
        currency: shown.map(|figures| figures.currency.clone()).unwrap_or_default(),
        behind: behind(&snapshot, env.clock.now()),
        heads: Head::of_contracts(None),
        contracts: most_waiting(&snapshot),
        contract_count: snapshot.contracts.len(),
        person,
        to_approve,
        blocked,
        parked,
        halted,
        held_back,
        silences,
        silent,
        late,
        late_count,
        overdue: overdue.join(", "),
        charts,
        figures,
        today,
    }))
}

/// The first few things of a part of the queue.
async fn few(env: &Environment, snapshot: &Snapshot, tab: Tab) -> Result<Vec<Arc<Item>>, ApiError> {
    let first: Vec<Arc<Entry>> = snapshot.items.iter().filter(|item| tab.has(item)).take(FEW).cloned().collect();
    Ok(queue::whole(env, &first).await?)
}

/// Streams that cannot be read, or that were not read for long.
fn behind(snapshot: &Snapshot, now: Timestamp) -> Vec<StreamHealth> {
    let is_behind = |stream: &&StreamHealth| {
        let may = if census::counted(&stream.stream).is_some() { COUNTED } else { BEHIND };
        let old = stream.fresh_through.is_some_and(|at| now.duration_since(at) > may);
        stream.fault.is_some() || old
    };
    snapshot.streams.iter().filter(is_behind).cloned().collect()
}

/// Contracts about which most waits.
fn most_waiting(snapshot: &Snapshot) -> Vec<Summary> {
    let all = snapshot.contracts.values().map(|line| &line.brief).collect();
    window(all, 0..FEW, |brief| Reverse(brief.waits())).into_iter().map(Brief::summary).collect()
}

fn trends(figures: &Figures) -> Vec<Chart> {
    let of = |value: fn(&MonthOf) -> milestoned_mapping::money::Money| -> Vec<Bar> {
        figures.months.iter().map(|month| Bar::new(month.first.strftime("%b %Y").to_string(), value(month))).collect()
    };
    let code = &figures.currency;
    let mut charts = vec![
        bars(&format!("Billed by month, {code}"), of(|month| month.billed)),
        bars(&format!("Revenue by month, {code}"), of(|month| month.recognised)),
        bars(&format!("Collected by month, {code}"), of(|month| month.collected)),
        lines(&format!("Deferred revenue at month’s end, {code}"), of(|month| month.deferred)),
        lines(&format!("Receivables at month’s end, {code}"), of(|month| month.receivable)),
    ];
    let pair = figures.months.iter().rev().take(2).collect::<Vec<&MonthOf>>();
    if let [this, before] = pair.as_slice() {
        let assets = this.deferred.units() - before.deferred.units() - this.billed.units() + this.recognised.units();
        let steps = vec![
            Bar::new("Opening", before.deferred),
            Bar::new("Billed", this.billed),
            Bar::less("Revenue", this.recognised),
            Bar::new("Revenue not billed", this.deferred.currency().money(assets)),
        ];
        charts.push(waterfall(
            &format!("Deferred revenue in {}, {code}", this.first.strftime("%B %Y")),
            steps,
            this.deferred,
        ));
    }
    charts
}
