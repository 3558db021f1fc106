//! The checklist of a close: what was found at each step, who looks after it, and who has looked at it. A step at which nothing was
//! found is done by itself.

use std::collections::BTreeMap;

use milestoned_mapping::command::Command;
use milestoned_mapping::counted::counted;
use milestoned_mapping::problem::Problem;
use serde::{Deserialize, Serialize};

use super::{Figures, Month, Sheet};
use crate::environment::Environment;
use crate::review::acts::{Refused, Word};
use crate::store::StoreError;
use crate::store::actor::Actor;
use crate::store::closes::CloseStep;
use crate::store::intake::StreamHealth;
use crate::store::outbox::Delivery;
use crate::store::periods::ClosedDates;

/// Steps in their order: name, title, sheet that shows what was found.
const STEPS: [(&str, &str, &str); 8] = [
    ("sources", "Sources read past the month’s end", ""),
    ("deliveries", "Documents and entries in the ERP", ""),
    ("tie-out", "Tie-out with the ERPs’ ledgers", "Tie-out"),
    ("cut-off", "Cut-off test", "Cut-off"),
    ("exceptions", "Open exceptions", "Open exceptions"),
    ("judgements", "Judgements by hand", "Judgements"),
    ("balances", "Review of the roll-forward", "Roll-forward"),
    ("dates", "Dates closed through the month’s end", ""),
];

/// What was found at a step; nothing: it is done by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the step.
    pub step: String,
    /// What was found, in a sentence or two; empty: nothing.
    pub found: String,
}

impl Finding {
    fn new(step: &str, found: impl Into<String>) -> Self {
        Self { step: step.into(), found: found.into() }
    }
}

/// A step of a month.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// What is looked at.
    pub title: &'static str,
    /// Sheet that shows it; empty: none does.
    pub sheet: &'static str,
    /// What was found; empty: nothing.
    pub found: String,
    /// Who looks after it.
    pub owner: Option<String>,
    /// Who has looked at it since the figures were prepared.
    pub done_by: Option<String>,
    /// What they wrote.
    pub note: String,
}

impl Step {
    /// The sheet's name as it stands in an address.
    pub fn part(&self) -> String {
        super::part_of(self.sheet)
    }

    /// Whether nothing is left to do about it.
    pub fn is_done(&self) -> bool {
        self.found.is_empty() || self.done_by.is_some()
    }
}

/// Sorts findings in the order of the steps.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| STEPS.iter().position(|(name, ..)| *name == finding.step));
}

/// How many there are of what was found, and the verb behind it; empty: nothing was.
fn found(rows: usize, noun: &str, one: &str, many: &str) -> String {
    let verb = if rows == 1 { one } else { many };
    if rows == 0 { String::new() } else { format!("{} {verb}", counted(rows, noun)).trim_end().to_owned() }
}

/// What sheets show.
pub(super) fn of_sheets(sheets: &[Sheet]) -> Vec<Finding> {
    let rows = |name: &str| sheets.iter().find(|sheet| sheet.name == name).map_or(0, |sheet| sheet.rows.len());
    vec![
        Finding::new("tie-out", found(rows("Differences"), "entry", "differs", "differ")),
        Finding::new("cut-off", found(rows("Cut-off"), "milestone", "stands on both sides", "stand on both sides")),
        Finding::new("exceptions", found(rows("Open exceptions"), "thing", "waits", "wait")),
        Finding::new("judgements", found(rows("Judgements"), "judgement", "", "")),
        Finding::new("balances", found(rows("Roll-forward"), "contract", "has balances", "have balances")),
    ]
}

/// What ERPs did not tell.
pub(super) fn of_ledgers(untold: Vec<String>) -> Vec<Finding> {
    untold.into_iter().map(|said| Finding::new("tie-out", said)).collect()
}

/// Streams that were not read past the end of the month.
pub(super) fn of_streams(streams: &[StreamHealth], month: Month) -> Finding {
    let after = month.last().tomorrow().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC)).map(|at| at.timestamp());
    let behind = streams.iter().filter(|stream| !stream.stream.ends_with(" census")).filter(|stream| {
        match (&after, stream.fresh_through) {
            (Ok(after), Some(through)) => through < *after,
            _ => true,
        }
    });
    let names: Vec<String> = behind.map(|stream| format!("{} {}", stream.system, stream.stream)).collect();
    let found = if names.is_empty() { String::new() } else { format!("not read past it: {}", names.join(", ")) };
    Finding::new("sources", found)
}

/// Documents and entries that are dated in or before the month and are not settled, or not posted there.
pub(super) fn of_deliveries(open: &[Delivery], month: Month) -> Finding {
    let dated = |delivery: &&Delivery| match &delivery.command {
        Some(Command::Invoice(document) | Command::CreditMemo(document)) => document.date <= month.last(),
        Some(Command::JournalEntry(entry)) => entry.date <= month.last(),
        Some(_) => false,
        None => true,
    };
    let names: Vec<String> =
        open.iter().filter(dated).map(|delivery| format!("{} is {}", delivery.subject, delivery.standing())).collect();
    Finding::new("deliveries", names.join(", "))
}

/// ERPs whose dates are not closed through the end of the month.
pub(super) fn of_dates(closed: &BTreeMap<String, ClosedDates>, erps: &[String], month: Month) -> Finding {
    let open = |erp: &&String| closed.get(*erp).is_none_or(|dates| dates.through < month.last());
    let names: Vec<&str> = erps.iter().filter(open).map(String::as_str).collect();
    let found = if names.is_empty() {
        String::new()
    } else {
        format!("open for contracts of {}: they are closed by the signature", names.join(", "))
    };
    Finding::new("dates", found)
}

/// The steps of a month, with what was found and who has looked at it. What was looked at before the figures were prepared anew
/// is looked at again.
///
/// # Errors
/// The store failed.
pub async fn steps(env: &Environment, month: Month, figures: &Figures) -> Result<Vec<Step>, StoreError> {
    let said = env.store.close_steps(month.to_string()).await?;
    let step = |(name, title, sheet): (&'static str, &'static str, &'static str)| {
        let found: Vec<&str> = figures
            .findings
            .iter()
            .filter(|finding| finding.step == name && !finding.found.is_empty())
            .map(|finding| finding.found.as_str())
            .collect();
        let said = said.iter().find(|step| step.step == name);
        let done = said.and_then(|said| said.done.as_ref()).filter(|(_, at)| *at >= figures.prepared_at);
        Step {
            name,
            title,
            sheet,
            found: found.join("; "),
            owner: said.and_then(|said| said.owner.clone()),
            done_by: done.map(|(by, _)| by.to_string()),
            note: done.and(said).map(|said| said.note.clone()).unwrap_or_default(),
        }
    };
    Ok(STEPS.into_iter().map(step).collect())
}

/// Titles of steps that somebody has to look at. Dates are closed by the signature itself.
pub(super) fn open(steps: &[Step]) -> Vec<&'static str> {
    steps.iter().filter(|step| step.name != "dates" && !step.is_done()).map(|step| step.title).collect()
}

fn known(step: &str) -> Result<(), Refused> {
    if STEPS.iter().any(|(name, ..)| *name == step) {
        return Ok(());
    }
    let names: Vec<&str> = STEPS.iter().map(|(name, ..)| *name).collect();
    let remedy = format!("one of {}", names.join(", "));
    Err(Refused::Invalid(Problem::new("step", format!("there is no step {step:?}"), remedy)))
}

/// Somebody has looked at what was found at a step.
///
/// # Errors
/// There is no such step, or the store failed.
pub async fn look_at(env: &Environment, month: Month, step: &str, word: &Word) -> Result<(), Refused> {
    known(step)?;
    let (month, now) = (month.to_string(), env.clock.now());
    let owner = env
        .store
        .close_steps(month.clone())
        .await?
        .into_iter()
        .find(|candidate| candidate.step == step)
        .and_then(|step| step.owner);
    let done = Some((word.actor(), now));
    let said = CloseStep { month, step: step.into(), owner, done, note: word.reason().to_owned() };
    Ok(env.store.keep_close_step(said, word.actor(), now).await?)
}

/// Gives a step to somebody to look after.
///
/// # Errors
/// There is no such step, or the store failed.
pub async fn assign(
    env: &Environment,
    month: Month,
    step: &str,
    owner: Option<String>,
    by: Actor,
) -> Result<(), Refused> {
    known(step)?;
    let (month, now) = (month.to_string(), env.clock.now());
    let said = env.store.close_steps(month.clone()).await?.into_iter().find(|candidate| candidate.step == step);
    let (done, note) = said.map(|said| (said.done, said.note)).unwrap_or_default();
    let said = CloseStep { month, step: step.into(), owner, done, note };
    Ok(env.store.keep_close_step(said, by, now).await?)
}
