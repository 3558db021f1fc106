//! Acts from pages: about one thing, and about many at once. Many are looked at first: what would be done, what would be
//! written, and what is not eligible, because of what.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use milestoned_mapping::contract::Contract;
use serde::Deserialize;

use super::person::Person;
use super::{filters, render, told};
use crate::environment::Environment;
use crate::review::acts::{self, Act, Channel, Given, Verb, Word};
use crate::review::bulk::{self, AT_MOST, Row, Shared, Told};
use crate::review::case::{Writing, would_write};
use crate::review::entry::Entry;
use crate::review::holding::held;
use crate::review::item::Item;
use crate::review::portfolio;
use crate::review::queue::whole;
use crate::review::selection::Selection;
use crate::review::snapshot::Snapshot;
use crate::review::subject::Subject;
use crate::web::extract::{Fields, Pairs};
use crate::web::problem::ApiError;

/// What a person does about something, as a form has it.
#[derive(Deserialize)]
pub(super) struct ActForm {
    subject: String,
    act: String,
    #[serde(default)]
    reason: String,
    /// With `give_up`: what follows was read.
    #[serde(default)]
    confirmed: String,
    /// Page to show then.
    #[serde(default)]
    next: String,
    /// What comes with the act.
    #[serde(flatten)]
    given: BTreeMap<String, String>,
}

impl ActForm {
    fn act(&self) -> Result<Act, ApiError> {
        let verb: Verb = self.act.parse()?;
        if verb == Verb::GiveUp && self.confirmed != "yes" {
            return Err(ApiError::invalid("confirmed: giving up is not confirmed"));
        }
        Ok(Act::of(verb, Given::of_form(&self.given)?))
    }
}

fn word(person: &Person, verb: Verb, reason: &str) -> Result<Word, ApiError> {
    person.caller.may(verb.right())?;
    Ok(Word::new(&person.caller.name, reason, Channel::Page, verb)?)
}

/// `POST /act`
pub(super) async fn act(
    State(env): State<Arc<Environment>>,
    person: Person,
    Fields(form): Fields<ActForm>,
) -> Result<Response, ApiError> {
    let (subject, act): (Subject, Act) = (form.subject.parse()?, form.act()?);
    let word = word(&person, act.verb(), &form.reason)?;
    let done = acts::act(&env, &subject, act, word).await?;
    person.has_acted().await;
    told(&form.next, &done.text)
}

/// What a form about many things says.
#[derive(Default)]
struct Many {
    act: String,
    /// A button of one row: the act and the row.
    one: String,
    /// Things that were ticked, as they were shown.
    rows: Vec<Row>,
    /// Everything under the filter instead.
    all: bool,
    filter: String,
    next: String,
    reason: String,
    /// What comes with the act.
    given: BTreeMap<String, String>,
}

impl Many {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut many = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "act" => many.act = value,
                "one" => many.one = value,
                "row" => many
                    .rows
                    .push(Row::read(&value).ok_or_else(|| ApiError::invalid(format!("row: {value:?} names nothing")))?),
                "all" => many.all = value == "yes",
                "filter" => many.filter = value,
                "next" => many.next = value,
                "reason" => many.reason = value,
                _ => drop(many.given.insert(name, value)),
            }
        }
        Ok(many)
    }

    fn shared(&self, verb: Verb) -> Result<Shared, ApiError> {
        if !Shared::is_possible(verb) {
            return Err(ApiError::invalid(format!("act: {} is about one thing at a time", verb.name())));
        }
        Ok(Shared { verb, given: Given::of_form(&self.given)? })
    }
}

/// A thing that an act is to be about, as it is looked at before.
struct Looked {
    item: Arc<Item>,
    /// Why the act cannot be about it.
    refused: Option<String>,
    writes: Vec<Writing>,
}

#[derive(Template)]
#[template(path = "bulk.html")]
struct BulkPage {
    person: Person,
    verb: Verb,
    looked: Vec<Looked>,
    /// Things that were ticked and wait no more.
    gone: usize,
    /// How many of the list are left out, because there are too many.
    left_out: usize,
    eligible: usize,
    held: String,
    next: String,
}

#[derive(Template)]
#[template(path = "bulk_done.html")]
struct DonePage {
    person: Person,
    verb: Verb,
    told: Vec<Told>,
    done: usize,
    next: String,
}

/// `POST /bulk`: shows what an act about many things would do. A button of one row acts at once: what it does stands on it.
pub(super) async fn look(
    State(env): State<Arc<Environment>>,
    person: Person,
    Pairs(pairs): Pairs,
) -> Result<Response, ApiError> {
    let mut many = Many::read(pairs)?;
    if let Some((act, row)) = many.one.split_once(' ') {
        let row = Row::read(row).ok_or_else(|| ApiError::invalid("one: names nothing"))?;
        (many.act, many.rows) = (act.to_owned(), vec![row]);
        return act_on(&env, person, many).await;
    }
    let verb: Verb = many.act.parse()?;
    person.caller.may(verb.right())?;
    many.shared(verb)?;
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let (items, wanted) = if many.all {
        let picked = Selection::read(&many.filter)?.pick(&snapshot.items, &today).items;
        let wanted = picked.len();
        (picked, wanted)
    } else {
        (ticked(&snapshot, &many.rows), many.rows.len())
    };
    let found = items.len();
    let items: Vec<Arc<Entry>> = items.into_iter().take(AT_MOST).collect();
    let left_out = found.saturating_sub(items.len());
    let items = whole(&env, &items).await?;
    let looked = looked(&env, items, verb, &person.caller.name).await?;
    let eligible: Vec<&Item> =
        looked.iter().filter(|looked| looked.refused.is_none()).map(|looked| looked.item.as_ref()).collect();
    let (held, eligible) = (held(&eligible), eligible.len());
    let gone = wanted.saturating_sub(left_out).saturating_sub(looked.len());
    Ok(render(&BulkPage { person, verb, looked, gone, left_out, eligible, held, next: many.next }))
}

fn ticked(snapshot: &Snapshot, rows: &[Row]) -> Vec<Arc<Entry>> {
    let wanted: std::collections::BTreeSet<&Subject> = rows.iter().map(|row| &row.subject).collect();
    snapshot.items.iter().filter(|item| wanted.contains(&item.subject)).cloned().collect()
}

async fn looked(env: &Environment, items: Vec<Arc<Item>>, verb: Verb, by: &str) -> Result<Vec<Looked>, ApiError> {
    let mut contracts: BTreeMap<String, Contract> = BTreeMap::new();
    if verb == Verb::Approve {
        let mut ids: Vec<String> = items.iter().filter_map(|item| item.contract.clone()).collect();
        ids.sort();
        ids.dedup();
        for row in env.store.contracts_of(ids).await? {
            let contract = portfolio::state(&row)?;
            contracts.insert(row.id, contract);
        }
    }
    let now = env.clock.now();
    let writes = |item: &Item| -> Option<Vec<Writing>> {
        let (id, milestone) = (item.contract.as_ref()?, item.milestone.as_ref()?);
        let contract = contracts.get(id)?;
        Some(would_write(contract, &contract.as_if_approved(milestone, by, now)?, milestone))
    };
    let look = |item: Arc<Item>| {
        let refused = bulk::not_eligible(Some(&item), verb, &bulk::stamp(&item));
        Looked { writes: writes(&item).unwrap_or_default(), refused, item }
    };
    Ok(items.into_iter().map(look).collect())
}

/// `POST /bulk/act`: does what was looked at.
pub(super) async fn act_on_all(
    State(env): State<Arc<Environment>>,
    person: Person,
    Pairs(pairs): Pairs,
) -> Result<Response, ApiError> {
    act_on(&env, person, Many::read(pairs)?).await
}

async fn act_on(env: &Environment, person: Person, many: Many) -> Result<Response, ApiError> {
    let verb: Verb = many.act.parse()?;
    let shared = many.shared(verb)?;
    let word = word(&person, verb, &many.reason)?;
    if many.rows.is_empty() {
        return Err(ApiError::invalid("row: nothing is ticked"));
    }
    if many.rows.len() > AT_MOST {
        return Err(ApiError::invalid(format!("row: at most {AT_MOST} at once, these are {}", many.rows.len())));
    }
    let snapshot = person.snapshot(env).await?;
    let told_of = bulk::act(env, &snapshot.items, &many.rows, &shared, &word).await?;
    person.has_acted().await;
    if let [only] = told_of.as_slice() {
        return match &only.outcome {
            Ok(text) => told(&many.next, text),
            Err(reason) => told(&many.next, &format!("not done: {reason}")),
        };
    }
    let done = told_of.iter().filter(|told| told.outcome.is_ok()).count();
    Ok(render(&DonePage { person, verb, told: told_of, done, next: super::page_of_ours(&many.next) }))
}
