//! What follows from a workbook once somebody confirms what was shown of it: change orders are filed through the door of files, acts
//! are taken by the code of the pages, one by one, each with its result.

use std::collections::BTreeMap;

use milestoned_mapping::counted::counted;
use milestoned_mapping::problem::Problem;
use milestoned_workbook::merge::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::import::{Asked, Planned, Preview, preview};
use super::sheets::Asker;
use crate::agreements::{self, Filed, Refusal};
use crate::engine;
use crate::environment::Environment;
use crate::review::acts::{Channel, Given, Refused, Verb, Word};
use crate::review::bulk::{self, AT_MOST, Row, Shared};
use crate::review::snapshot::Snapshots;
use crate::store::json as as_json;

/// What one contract's edits, or one act, came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Came {
    /// A contract whose terms were edited, or what an act was about.
    pub of: String,
    /// `change order` or the act.
    pub what: String,
    /// Whether it was done.
    pub done: bool,
    /// What follows, or why nothing was done.
    pub text: String,
}

/// What somebody confirms.
#[derive(Debug, Clone)]
pub struct Confirmed {
    /// The digest of what was shown.
    pub seen: String,
    /// Whether both parties have signed what the change orders say; one that is not signed changes nothing yet.
    pub signed: bool,
    /// Why, for the audit trail.
    pub reason: String,
}

/// Does what a workbook says.
///
/// # Errors
/// It is not known, was confirmed before, is not what was shown any more, or has no reason; nothing was done.
pub async fn confirm(
    env: &Environment,
    snapshots: &Snapshots,
    asker: &Asker,
    (id, confirmed): (&str, &Confirmed),
) -> Result<Vec<Came>, Refused> {
    let preview = preview(env, snapshots, asker, id).await?.ok_or_else(|| missing(id))?;
    allowed(&preview, asker, confirmed)?;
    let says = format!(
        "{}; SHA-256 {}; {} cells to take, {} in conflict, {} refused; {} change orders, {} acts: {}",
        preview.import.name,
        preview.import.digest,
        preview.count(|outcome| *outcome == Outcome::Edit),
        preview.count(|outcome| *outcome == Outcome::Conflict),
        preview.count(|outcome| matches!(outcome, Outcome::Refused(_))),
        preview.orders.len(),
        preview.acts.len(),
        confirmed.reason.trim(),
    );
    if !env.store.confirm_import(id.to_owned(), (asker.actor(), says), env.clock.now()).await? {
        return Err(done_before());
    }
    let source = format!("workbook {} (SHA-256 {})", preview.import.name, preview.import.digest);
    let mut came = acts(env, snapshots, asker, &preview.acts, &confirmed.reason).await?;
    for planned in preview.orders {
        came.push(file(env, asker, planned, (&source, confirmed.signed)).await?);
    }
    env.store.finish_import(id.to_owned(), as_json(&came)?).await?;
    env.wake_ups.send_all();
    snapshots.search_again().await;
    Ok(came)
}

fn missing(id: &str) -> Refused {
    Refused::Missing(Problem::new("import", format!("no workbook {id:?} was brought"), "bring the file again"))
}

fn done_before() -> Refused {
    let remedy = "see what came of it, or bring the file again: what was done is told as done";
    Refused::Contradicted(Problem::new("import", "somebody has confirmed this workbook before", remedy))
}

fn allowed(preview: &Preview, asker: &Asker, confirmed: &Confirmed) -> Result<(), Refused> {
    if preview.import.actor != asker.actor() {
        let reason = format!("{} has brought this workbook, and confirms it", preview.import.actor);
        return Err(Refused::Excluded(Problem::new("import", reason, "bring the file yourself, and confirm it then")));
    }
    if preview.import.confirmed_at.is_some() {
        return Err(done_before());
    }
    if confirmed.reason.trim().is_empty() {
        return Err(Refused::Invalid(Problem::new("reason", "is empty", "say why: it stands in the audit trail")));
    }
    if preview.seen != confirmed.seen {
        let reason = "something has changed since this was shown: what would follow is something else now";
        return Err(Refused::Contradicted(Problem::new(
            "seen",
            reason,
            "look at it again, and confirm what it is now",
        )));
    }
    if preview.orders.is_empty() && preview.acts.is_empty() {
        let remedy = "edit the blue cells of an export, save it, and bring it again";
        return Err(Refused::Invalid(Problem::new("import", "there is nothing in it to be done", remedy)));
    }
    if preview.acts.len() > AT_MOST {
        let reason = format!("{} acts are asked for, and at most {AT_MOST} go at once", preview.acts.len());
        return Err(Refused::Invalid(Problem::new("import", reason, "choose fewer acts, and bring the file again")));
    }
    Ok(())
}

/// Files a contract's change order, and has it decided about.
async fn file(
    env: &Environment,
    asker: &Asker,
    planned: Planned,
    (source, signed): (&str, bool),
) -> Result<Came, Refused> {
    let Planned { contract, mut order, cells, effect } = planned;
    let what = "change order".to_owned();
    let came = |done: bool, text: String| Came { of: contract.clone(), what: what.clone(), done, text };
    if let Err(reason) = effect {
        return Ok(came(false, reason));
    }
    order["signed"] = json!(signed);
    let version = order["version"].clone();
    let waits = match agreements::file(env, order, source, &asker.actor(), env.clock.now()).await {
        Ok(filed) => matches!(filed, Filed::Waits(_)),
        Err(Refusal::Store(error)) => return Err(error.into()),
        Err(refusal) => return Ok(came(false, refusal.to_string())),
    };
    engine::turn(env, |due| due == contract).await?;
    let cells = counted(cells, "edited cell");
    let signed = match (signed, waits) {
        (_, true) => "it takes no effect before somebody else has approved it",
        (true, false) => "it holds",
        (false, false) => "it is not signed, and changes nothing until it is",
    };
    Ok(came(true, format!("version {version} is filed with {cells}; {signed}")))
}

/// Takes the acts, those of one kind together, in their order.
async fn acts(
    env: &Environment,
    snapshots: &Snapshots,
    asker: &Asker,
    asked: &[Asked],
    reason: &str,
) -> Result<Vec<Came>, Refused> {
    let mut groups: BTreeMap<(Verb, Option<String>), Vec<Row>> = BTreeMap::new();
    for act in asked {
        let subject = act.subject.parse().map_err(Refused::Invalid)?;
        groups.entry((act.verb, act.to.clone())).or_default().push(Row { subject, stamp: act.stamp.clone() });
    }
    let mut came = Vec::new();
    for ((verb, to), rows) in groups {
        let shared = Shared { verb, given: Given { to, ..Given::default() } };
        let word = Word::new(&asker.name, reason, Channel::Workbook, verb)?;
        let snapshot = snapshots.now(env).await?;
        for told in bulk::act(env, &snapshot.items, &rows, &shared, &word).await? {
            let (done, text) = match told.outcome {
                Ok(text) => (true, text),
                Err(reason) => (false, reason),
            };
            came.push(Came { of: told.subject.to_string(), what: verb.name().to_owned(), done, text });
        }
    }
    Ok(came)
}
