//! Acts about a contract: approvals, holds, exceptions and drifts that a person closes.

use jiff::civil::Date;
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::contract::{Code, Contract};
use milestoned_mapping::drift::Kind;
use milestoned_mapping::fact::{DecimalText, Event, Fact, Leg, ReviewDecision, Shown};
use milestoned_mapping::money::{Money, grouped};
use milestoned_mapping::problem::Problem;

use super::duties::{self, Matter, Ruling};
use super::{Refused, Word};
use crate::agreements::Agreement;
use crate::engine;
use crate::environment::Environment;
use crate::review::portfolio;
use crate::review::queue::{content_of, what_changed};
use crate::review::subject::{self, Subject};
use crate::store::action::Action;
use crate::store::audit::Entry;
use crate::store::contracts::ContractRow;
use crate::store::hands::first_identity;
use crate::store::intake::NewFact;
use crate::store::parked::Handle;
use crate::store::parse;
use crate::store::review::Weight;

/// The contract, once what waits to be decided about it has been decided: an act is about what holds now.
pub(super) async fn known(env: &Environment, id: &str) -> Result<(ContractRow, Contract), Refused> {
    engine::turn(env, |due| due == id).await?;
    let row = env.store.contract(id.to_owned()).await?.ok_or_else(|| {
        Refused::Missing(Problem::new(
            "contract",
            format!("contract {id:?} is not known"),
            "see `milestoned contract list`",
        ))
    })?;
    let contract = portfolio::state(&row)?;
    Ok((row, contract))
}

/// What a reviewer is shown of a milestone that is not invoiced yet.
fn shown(contract: &Contract, milestone: &str) -> Result<Shown, Refused> {
    contract.shown(milestone).ok_or_else(|| {
        let names: Vec<String> = contract.milestones().into_iter().map(|milestone| milestone.id).collect();
        let id = contract.terms().id();
        Refused::Invalid(Problem::new(
            "milestone",
            format!("{milestone:?} is no milestone of contract {id}"),
            format!("its milestones are {}", names.join(", ")),
        ))
    })
}

pub(super) async fn approve(
    env: &Environment,
    id: &str,
    milestone: &str,
    was: Option<Shown>,
    word: &Word,
) -> Result<String, Refused> {
    let (row, contract) = known(env, id).await?;
    let now = shown(&contract, milestone)?;
    let amount = format!("{} {}", grouped(&now.amount.to_string()), contract.terms().currency());
    match &was {
        Some(was) if *was == now => {}
        Some(was) => {
            return Err(Refused::Contradicted(Problem::new(
                "shown",
                format!("this is not what was shown: {}", what_changed(was, &now)),
                "look at it again, and approve it as it is now",
            )));
        }
        None => {
            return Err(Refused::Contradicted(Problem::new(
                "shown",
                format!("an approval is of what was shown, and nothing is named; {amount} stands there now"),
                "send `shown` as GET /v1/queue or the contract's milestone has it",
            )));
        }
    }
    let matter = Matter {
        contract: &contract,
        row: &row,
        milestone: Some(milestone),
        what: format!("{milestone} of {id} at {amount}"),
        content: content_of(milestone, &now),
        amount: now.amount.0,
        order: None,
    };
    let ruling = duties::judged(env, &matter, word).await?;
    let says = word.says(format!("{milestone} of {id}, {amount} for {}, version {}", now.customer, now.version));
    let line = Entry::by(&word.actor(), ruling.action(Action::MilestoneApproved), Some(id), milestone, says);
    let decision = ReviewDecision::Approve;
    let event = Event::Review { milestone: milestone.into(), decision, by: word.by.clone(), shown: was };
    decide(env, &row, event, &ruling, line, word).await?;
    if let Some(why) = ruling.waits() {
        return Ok(format!("{milestone} is approved at {amount} by you; {why}"));
    }
    let after = known(env, id).await?.1;
    let numbers: Vec<String> =
        after.documents().iter().skip(contract.documents().len()).map(|document| document.number.clone()).collect();
    Ok(match numbers.as_slice() {
        [] => format!("{milestone} is approved at {amount}; its invoice follows when everything else is together"),
        _ => format!("{milestone} is approved at {amount}: {} is decided, and will be sent", numbers.join(", ")),
    })
}

pub(super) async fn hold(env: &Environment, id: &str, milestone: &str, word: &Word) -> Result<String, Refused> {
    let (row, contract) = known(env, id).await?;
    shown(&contract, milestone)?;
    // An approval that waits for a second person was given before the hold: after it both have to approve.
    for waiting in env.store.waiting_words(Some(id.to_owned())).await? {
        if waiting.fact.event.milestone() == Some(milestone) {
            let why = word.says("void: the milestone is held");
            env.store.close_parked(Handle::Fact(waiting.row), word.actor(), why, env.clock.now()).await?;
        }
    }
    let line =
        Entry::by(&word.actor(), Action::MilestoneHeld, Some(id), milestone, word.says(format!("{milestone} of {id}")));
    let decision = ReviewDecision::Hold;
    let event = Event::Review { milestone: milestone.into(), decision, by: word.by.clone(), shown: None };
    decide(env, &row, event, &alone(), line, word).await?;
    // An approval may have come in between.
    let after = known(env, id).await?.1;
    let documents = after.documents().iter().filter(|document| document.milestone == milestone);
    let out: Vec<&str> = documents.map(|document| document.number.as_str()).collect();
    Ok(match out.as_slice() {
        [] => format!("{milestone} is held: it is not invoiced until somebody approves it"),
        _ => format!("{milestone} is held: nothing more of it is invoiced; decided before: {}", out.join(", ")),
    })
}

/// Takes an acceptance back that a rejection in time contradicts.
pub(super) async fn undo(env: &Environment, id: &str, milestone: &str, word: &Word) -> Result<String, Refused> {
    let (row, contract) = known(env, id).await?;
    let code = Code::RejectedInTime;
    let decision = ReviewDecision::Undo;
    let event = Event::Review { milestone: milestone.into(), decision, by: word.by.clone(), shown: None };
    closes(&contract, code, &Fact::of(env.clock.now(), event.clone()))
        .ok_or_else(|| not_open(id, code.name(), milestone))?;
    let says = word.says(format!("{milestone} of {id}"));
    let line = Entry::by(&word.actor(), Action::AcceptanceTakenBack, Some(id), milestone, says);
    decide(env, &row, event, &alone(), line, word).await?;
    Ok(format!("the acceptance of {milestone} is taken back; what was billed on it alone is credited"))
}

pub(super) async fn overrule(
    env: &Environment,
    id: &str,
    code: Code,
    milestone: Option<&str>,
    leg: Option<Leg>,
    until: Option<Date>,
    word: &Word,
) -> Result<String, Refused> {
    let (row, contract) = known(env, id).await?;
    if until.is_some_and(|until| until <= contract.as_of()) {
        let remedy = "write a date that is to come, or none";
        return Err(Refused::Invalid(Problem::new("until", "has come already: it would open again at once", remedy)));
    }
    let event = |values: Option<Vec<String>>, held: Option<Money>| Event::Overrule {
        code: code.name().into(),
        milestone: milestone.map(Into::into),
        leg,
        by: word.by.clone(),
        reason: word.reason.clone(),
        values,
        until,
        held: held.map(|held| DecimalText(held.decimal())),
    };
    let place = [milestone.map(Into::into), leg.map(|leg| leg.to_string())];
    let place: String = place.into_iter().flatten().map(|name| format!(" {name}")).collect();
    let closed = closes(&contract, code, &Fact::of(env.clock.now(), event(None, None))).ok_or_else(|| {
        Refused::Missing(Problem::new(
            "code",
            format!("contract {id} has no open {code}{place}"),
            "`milestoned exceptions` and GET /v1/queue show what is open",
        ))
    })?;
    let of = closed.values.join("; ");
    let ends = until.map_or_else(String::new, |until| format!(", until {until}"));
    let ruling = match closed.held {
        None => alone(),
        Some(held) => {
            let what = format!("{code}{place} of {id}, which holds {} {}", grouped(&held.to_string()), held.currency());
            let content = DeliveryKey::of(&["overruling", code.name(), &place, &of, &ends]).to_string();
            let amount = held.decimal();
            let matter = Matter { contract: &contract, row: &row, milestone, what, content, amount, order: None };
            duties::judged(env, &matter, word).await?
        }
    };
    let of = if of.is_empty() { of } else { format!(" ({of})") };
    let says = word.says(format!("{code}{place}{of}{ends}"));
    let line = Entry::by(&word.actor(), ruling.action(Action::ExceptionOverruled), Some(id), code.name(), says);
    // What stands behind our own exceptions moves with the work (what it still waits for, what is billed so far): that is no
    // other value than was shown.
    decide(env, &row, event(leg.map(|_| closed.values), closed.held), &ruling, line, word).await?;
    if let Some(why) = ruling.waits() {
        return Ok(format!("{code}{place} stays open; {why}"));
    }
    let ends = until.map_or_else(String::new, |until| format!(", on {until} at the latest"));
    let changes = if leg.is_some() { "when a value changes, or " } else { "" };
    Ok(format!("{code}{place} is closed; it opens again {changes}if it ends and comes back{ends}"))
}

/// What needs no other person.
fn alone() -> Ruling {
    Ruling { weight: Weight::Counts { with: Vec::new() }, content: String::new(), sums: None }
}

/// An exception that a fact would close.
struct Closed {
    /// The values behind it.
    values: Vec<String>,
    /// What it holds back; `None`: nothing, it only tells.
    held: Option<Money>,
}

/// The exception that a fact would close; `None`: it would close none.
fn closes(contract: &Contract, code: Code, fact: &Fact) -> Option<Closed> {
    let mut after = contract.clone();
    after.apply(fact).ok()?;
    let mut pairs = contract.exceptions().iter().zip(after.exceptions());
    let (open, _) = pairs.find(|(was, is)| was.code == code && was.closed_on.is_none() && is.closed_on.is_some())?;
    let values = contract.values_behind(open).iter().map(ToString::to_string).collect();
    Some(Closed { values, held: contract.amount_held(open) })
}

/// A person takes note of a drift: it is closed, and opens again if it changes, or comes back after it was undone.
pub(super) async fn close_drift(
    env: &Environment,
    id: &str,
    kind: Kind,
    subject: &str,
    word: &Word,
) -> Result<String, Refused> {
    let (row, _) = known(env, id).await?;
    let agreement: Agreement = parse("contract", "agreement", &row.id, &row.agreement)?;
    let now = env.clock.now();
    let today = agreement.terms.local_date(now);
    let said = (word.actor(), word.says("closed"));
    if !env.store.close_drift(row.id, kind, subject.into(), said, (today, now)).await? {
        return Err(not_open(id, kind.name(), subject));
    }
    Ok(format!("{} is closed; it opens again if it changes, or comes back after it was undone", kind.name()))
}

fn not_open(contract: &str, code: &str, place: &str) -> Refused {
    Refused::Missing(Problem::new(
        "code",
        format!("contract {contract} has no open {code} {place}").trim_end().to_owned(),
        "`milestoned exceptions` and GET /v1/queue show what is open",
    ))
}

/// What a code names that is open: an exception of the rules, or all drifts of a kind, of one milestone or any.
///
/// # Errors
/// No such code, no such leg, or nothing is open.
pub async fn named(
    env: &Environment,
    contract: &str,
    code: &str,
    milestone: Option<String>,
    leg: Option<&str>,
) -> Result<Vec<Subject>, Refused> {
    let milestone = milestone.filter(|id| !id.is_empty());
    let leg = match leg.filter(|word| !word.is_empty()) {
        None => None,
        Some(word) => Some(subject::leg(word).ok_or_else(|| {
            Refused::Invalid(Problem::new("leg", format!("{word:?} is no leg"), "write crm, psa or erp"))
        })?),
    };
    if let Some(code) = Code::named(code) {
        return Ok(vec![Subject::Exception { contract: contract.into(), code, milestone, leg }]);
    }
    let Some(kind) = Kind::named(code) else {
        return Err(Refused::Invalid(Problem::new(
            "code",
            format!("{code:?} is no code of an exception"),
            "`milestoned rules` and `milestoned exceptions` show the codes",
        )));
    };
    let open = env.store.exceptions(Some(vec![contract.into()]), true).await?.into_iter();
    let drifts: Vec<Subject> = open
        .filter(|row| row.code == code && (milestone.is_none() || row.milestone == milestone))
        .map(|row| Subject::Drift { contract: row.contract, kind, subject: row.subject })
        .collect();
    if drifts.is_empty() {
        known(env, contract).await?;
        return Err(not_open(contract, code, milestone.as_deref().unwrap_or_default()));
    }
    Ok(drifts)
}

/// Stores what a person decided, with the line that says it, and lets the engine decide what follows.
async fn decide(
    env: &Environment,
    row: &ContractRow,
    event: Event,
    ruling: &Ruling,
    line: Entry,
    word: &Word,
) -> Result<(), Refused> {
    let now = env.clock.now();
    let fact = Fact::of(now, event);
    portfolio::state(row)?.check(&fact).map_err(Refused::Invalid)?;
    let content = serde_json::to_string(&fact).unwrap_or_default();
    let key = DeliveryKey::of(&[&content]).to_string();
    let identity = match ruling.content() {
        Some(content) => first_identity(content, &key),
        None => format!("review:{key}"),
    };
    let fact = NewFact { contract: row.id.clone(), identity, fact, actor: word.actor() };
    ruling.store(env).tell(fact, ruling.weight.clone(), line, now).await?;
    engine::turn(env, |due| due == row.id).await?;
    Ok(())
}
