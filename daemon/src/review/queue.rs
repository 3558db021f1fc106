//! The queue: everything that waits for a person, in one list. Pages, API, command line, mail and metrics show this list or a
//! part of it, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::contract::{Code, Contract, Severity, Waiting};
use milestoned_mapping::drift::Kind;
use milestoned_mapping::fact::{Event, Fact, Shown};
use milestoned_mapping::money::grouped;
use milestoned_mapping::problem::Problem;
use milestoned_mapping::rules;
use serde::Deserialize;

use super::entry::Entry;
use super::item::{Amount, Item, RecordName, as_said};
use super::subject::Subject;
use super::verb::Verb;
use crate::agreements::{self, Options};
use crate::environment::Environment;
use crate::registry::Registry;
use crate::store::customers::CustomerChoice;
use crate::store::hands::WaitingWord;
use crate::store::outbox::Delivery;
use crate::store::pauses::Scope;
use crate::store::review::ShownBy;
use crate::store::set_aside::SetAside;
use crate::store::undecided::Undecided;
use crate::store::views::ExceptionView;
use crate::store::vocabulary::{CommandKind, DeliveryState};
use crate::store::{StoreError, parse};

/// Days before a credential ends from which on people are told.
const WARNED: i64 = 30;
/// Rows that are not attested which are named.
const AT_MOST: usize = 100;
/// Contracts that nobody has filed which are named; the rest is counted.
const NAMED: usize = 3;

/// Which part of the queue.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these contracts; of all where it is empty.
    pub contracts: Vec<String>,
    /// Of these kinds, first words of a subject; of all where it is empty.
    pub kinds: Vec<String>,
    /// One thing.
    pub subject: Option<Subject>,
    /// Of one owner.
    pub owner: Option<String>,
}

impl Filter {
    /// Everything about one contract.
    pub fn of_contract(id: &str) -> Self {
        Self::of_contracts(vec![id.into()])
    }

    /// Everything of these kinds.
    pub fn of_kinds(kinds: &[&str]) -> Self {
        Self { kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(), ..Self::default() }
    }

    /// Everything about some contracts.
    pub(super) fn of_contracts(ids: Vec<String>) -> Self {
        Self { contracts: ids, ..Self::default() }
    }

    /// The contracts that are asked for, or that of the one thing that is; none: all of them.
    fn among(&self) -> Option<Vec<String>> {
        let of_subject = || self.subject.as_ref().and_then(Subject::contract).map(|id| vec![id.to_owned()]);
        if self.contracts.is_empty() { of_subject() } else { Some(self.contracts.clone()) }
    }

    fn wants(&self, kind: &str) -> bool {
        let named = self.kinds.is_empty() || self.kinds.iter().any(|name| name == kind);
        named && self.subject.as_ref().is_none_or(|subject| subject.kind() == kind)
    }

    fn is_of_contracts(&self, item: &Item) -> bool {
        self.contracts.is_empty() || item.contract.as_ref().is_some_and(|id| self.contracts.contains(id))
    }

    fn keeps(&self, item: &Item) -> bool {
        self.is_of_contracts(item)
            && self.subject.as_ref().is_none_or(|subject| item.subject == *subject)
            && self.owner.as_ref().is_none_or(|owner| item.mark.owner.as_ref() == Some(owner))
    }
}

/// Everything that waits for a person: what holds something back first, then by how long it has waited.
///
/// # Errors
/// The store failed.
pub async fn queue(env: &Environment, filter: &Filter) -> Result<Vec<Item>, StoreError> {
    let mut items = decided(env, filter).await?;
    items.extend(outside(env, filter).await?);
    items.extend(searched_for(env, filter).await?);
    items.retain(|item| filter.is_of_contracts(item));
    name(env, &mut items).await?;
    items.retain(|item| filter.keeps(item));
    items.sort_by(|a, b| of_item(a).cmp(&of_item(b)));
    Ok(items)
}

/// The place of a thing in the queue: what holds something back first, then by how long it has waited.
pub(super) type Place<'a> = (bool, Date, Option<&'a str>, &'a Subject);

/// The place of a thing in the queue.
pub(super) fn place<'a>(
    severity: Severity,
    since: Option<Date>,
    contract: Option<&'a str>,
    subject: &'a Subject,
) -> Place<'a> {
    (severity == Severity::Warning, since.unwrap_or(Date::MAX), contract, subject)
}

fn of_item(item: &Item) -> Place<'_> {
    place(item.severity, item.since, item.contract.as_deref(), &item.subject)
}

/// Things as they are kept, whole: those that a contract's decision says are read again, together; what waits no more is left out.
///
/// # Errors
/// The store failed.
pub async fn whole(env: &Environment, entries: &[Arc<Entry>]) -> Result<Vec<Arc<Item>>, StoreError> {
    let mut all = Vec::with_capacity(entries.len());
    for some in entries.chunks(AT_ONCE) {
        let decided = some.iter().filter(|entry| entry.whole.is_none());
        let contracts: BTreeSet<String> =
            decided.filter_map(|entry| entry.contract.as_ref().map(|id| id.to_string())).collect();
        let mut items = Vec::new();
        if !contracts.is_empty() {
            items = decided_about(env, contracts.into_iter().collect()).await?;
        }
        let mut items: BTreeMap<Subject, Item> = items.into_iter().map(|item| (item.subject.clone(), item)).collect();
        let whole = |entry: &Arc<Entry>| match &entry.whole {
            Some(item) => Some(Arc::clone(item)),
            None => items.remove(&entry.subject).map(Arc::new),
        };
        all.extend(some.iter().filter_map(whole));
    }
    Ok(all)
}

/// What was decided about some contracts and waits for a person, with names.
pub(super) async fn decided_about(env: &Environment, contracts: Vec<String>) -> Result<Vec<Item>, StoreError> {
    let mut items = decided(env, &Filter::of_contracts(contracts)).await?;
    name(env, &mut items).await?;
    Ok(items)
}

/// What was decided about contracts and waits for a person: approvals, change orders, exceptions, drifts. It changes with a decision alone.
async fn decided(env: &Environment, filter: &Filter) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    if filter.wants("approval") {
        let words = env.store.waiting_words(None).await?;
        let rows = env.store.approvals(filter.among()).await?;
        items.extend(rows.into_iter().map(|(contract, row)| approval(contract, row, &words)));
    }
    if filter.wants("change_order") {
        items.extend(orders(env, filter).await?);
    }
    if filter.wants("exception") || filter.wants("drift") {
        items.extend(exceptions(env, filter).await?);
    }
    Ok(items)
}

/// Change orders that take no effect before somebody approves them.
async fn orders(env: &Environment, filter: &Filter) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    let among = filter.among();
    let only = among.as_deref().and_then(|ids| if let [id] = ids { Some(id.clone()) } else { None });
    let mut waiting = env.store.waiting_orders(only).await?;
    waiting.retain(|order| among.as_ref().is_none_or(|ids| ids.contains(&order.contract)));
    for order in waiting {
        let contract: Contract = match env.store.contract(order.contract.clone()).await {
            Ok(Some(row)) => parse("contract", "state", &row.id, &row.state)?,
            Ok(None) | Err(StoreError::SetAside(_) | StoreError::Unattested { .. }) => continue,
            Err(error) => return Err(error),
        };
        let mut facts: Vec<Fact> = env.store.history(order.contract.clone()).await?;
        facts.push(order.fact.clone());
        let changes = contract.change_orders(&facts).pop().map(|order| order.changes.join("; ")).unwrap_or_default();
        let first = order.first.as_ref().filter(|(_, of)| *of == contract.version());
        let first =
            first.map(|(by, _)| format!("; {by} has approved it, and another person has to")).unwrap_or_default();
        let version = agreements::order_version(&order.fact);
        let stake = format!("{} {}", grouped(&order.stake.to_string()), order.stake.currency());
        let reason = format!(
            "version {version}, filed by {}, puts {stake} at stake and takes no effect before it is approved: {changes}{first}",
            order.actor
        );
        let remedy =
            "compare it with the signed change order, then approve it; or close it, and say what is wrong with it";
        let problem = Problem::new(format!("{} version {version}", order.contract), reason, remedy);
        let key = agreements::order_key(&order.identity).to_owned();
        let subject = Subject::ChangeOrder { contract: order.contract.clone(), key };
        items.push(Item {
            since: Some(contract.terms().local_date(order.filed_at)),
            held: Some(Amount::from(order.stake)),
            contract: Some(order.contract),
            ..Item::new(subject, "Change order waits for approval", Severity::Blocking, problem)
        });
    }
    Ok(items)
}

/// What did not come in or did not go out, and what people have halted.
pub(super) async fn outside(env: &Environment, filter: &Filter) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    if filter.wants("delivery") {
        items.extend(deliveries(env).await?);
    }
    items.extend(inputs(env, filter).await?);
    if filter.wants("unattested") {
        items.extend(unattested(env));
    }
    if filter.wants("stream") {
        items.extend(streams(env).await?);
    }
    Ok(items)
}

/// What is found by looking for it in much that was written down: writes that were never shown, credentials that end,
/// contracts that nobody has filed.
pub(super) async fn searched_for(env: &Environment, filter: &Filter) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    if filter.wants("unseen") {
        items.extend(unseen(env).await?);
    }
    if filter.wants("expiry") {
        items.extend(ending(env).await);
    }
    if filter.wants("unfiled") {
        items.extend(unfiled(env).await?);
    }
    Ok(items)
}

/// What an approval is of, as a name: two people who approve the same give one.
pub fn content_of(milestone: &str, shown: &Shown) -> String {
    let shown = serde_json::to_string(shown).unwrap_or_default();
    DeliveryKey::of(&["approval", milestone, &shown]).to_string()
}

/// What the first of two people has said about a milestone already.
fn first_of_two(contract: &str, milestone: &str, shown: &Shown, words: &[WaitingWord]) -> String {
    let content = content_of(milestone, shown);
    let of_it = |word: &&WaitingWord| {
        let reviewed = matches!(&word.fact.event, Event::Review { milestone: id, .. } if id == milestone);
        word.contract == contract && reviewed
    };
    let said = words.iter().filter(of_it).map(|word| {
        if word.content == content {
            format!("; {} has approved it, and another person has to", word.actor)
        } else {
            format!("; {} approved it as it was before, which counts no more", word.actor)
        }
    });
    said.collect()
}

fn approval(contract: String, row: Waiting, words: &[WaitingWord]) -> Item {
    let Waiting { milestone, since, amount, shown, void } = row;
    let place = format!("{contract} {milestone}");
    let what = format!("an invoice of {} {}", grouped(&amount.to_string()), amount.currency());
    let first = first_of_two(&contract, &milestone, &shown, words);
    let (reason, remedy) = match &void {
        None => (format!("{what} waits for an approval{first}"), "approve it; or hold it, and say what has to change"),
        Some(void) => (
            format!("{what} waits for an approval again: {}{first}", what_changed(void, &shown)),
            "look at what has changed, then approve it as it is now; or hold it",
        ),
    };
    let subject = Subject::Approval { contract: contract.clone(), milestone: milestone.clone() };
    Item {
        contract: Some(contract),
        milestone: Some(milestone),
        since: Some(since),
        held: Some(Amount::from(amount)),
        shown: Some(shown),
        ..Item::new(subject, "Waits for approval", Severity::Blocking, Problem::new(place, reason, remedy))
    }
}

/// What differs between what an approval was of and what stands there now.
pub fn what_changed(void: &Shown, now: &Shown) -> String {
    let amount = |shown: &Shown| grouped(&shown.amount.to_string());
    let mut changed = Vec::new();
    if void.amount != now.amount {
        changed.push(format!("{} was approved, it is {} now", amount(void), amount(now)));
    }
    if void.version != now.version {
        changed.push(format!("version {} was approved, version {} holds now", void.version, now.version));
    }
    if void.customer != now.customer {
        changed.push(format!("it was approved for {}, the customer is {} now", void.customer, now.customer));
    }
    if void.terms != now.terms && changed.is_empty() {
        changed.push("the terms of the milestone have changed since it was approved".into());
    }
    changed.extend(said_otherwise(void, now));
    if changed.is_empty() {
        changed.push("who approved it has had a hand since in what would be billed".into());
    }
    changed.join("; ")
}

/// What a leg said when something was approved and says otherwise now.
fn said_otherwise(void: &Shown, now: &Shown) -> Vec<String> {
    let (Some(then), Some(now)) = (&void.legs, &now.legs) else { return Vec::new() };
    let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let text = |value: Option<&String>| value.map_or_else(|| "nothing".to_owned(), |value| as_said(value));
    let differs = names.into_iter().filter(|name| then.get(*name) != now.get(*name));
    differs.map(|name| format!("{name} was {}, it is {} now", text(then.get(name)), text(now.get(name)))).collect()
}

/// What a code of the rules, or of a drift, means, and what to do.
pub fn meaning(code: &str) -> (&'static str, &'static str) {
    let rule = rules::find(code).map(|rule| (rule.title, rule.remedy));
    rule.or_else(|| Kind::named(code).map(|kind| (kind.title(), kind.remedy()))).unwrap_or_default()
}

/// What codes mean, each with its code: `A reviewer holds the milestone (HELD_BY_REVIEWER)`.
pub fn titles_and_codes(codes: &[String]) -> String {
    let told = codes.iter().map(|code| format!("{} ({code})", meaning(code).0));
    told.collect::<Vec<String>>().join("; ")
}

async fn exceptions(env: &Environment, filter: &Filter) -> Result<Vec<Item>, StoreError> {
    let rows = env.store.exceptions(filter.among(), true).await?;
    let shown_by = env.store.shown_by(filter.among()).await?;
    let items = rows.into_iter().filter_map(|row| exception(&env.registry, row, &shown_by));
    let mut items: Vec<Item> = items.filter(|item| filter.wants(item.kind)).collect();
    for item in items.iter_mut().filter(|item| item.acts.contains(&Verb::Approve)) {
        let (Some(id), Some(milestone)) = (&item.contract, &item.milestone) else { continue };
        match env.store.contract(id.clone()).await {
            Ok(Some(row)) => {
                let contract: Contract = parse("contract", "state", &row.id, &row.state)?;
                item.shown = contract.shown(milestone);
            }
            Ok(None) | Err(StoreError::SetAside(_) | StoreError::Unattested { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(items)
}

/// The records that show what an exception of a leg is about. `shown_by` is in the order of contracts.
pub fn records(registry: &Registry, row: &ExceptionView, shown_by: &[ShownBy]) -> Vec<RecordName> {
    let from = shown_by.partition_point(|record| record.contract < row.contract);
    let own = shown_by.iter().skip(from).take_while(|record| record.contract == row.contract);
    let shows = |record: &&ShownBy| {
        Some(record.leg) == row.leg && (record.milestone.is_none() || record.milestone == row.milestone)
    };
    let of_it: Vec<&ShownBy> = own.filter(shows).collect();
    // A record of the milestone itself says more than one of the whole contract.
    let own = of_it.iter().any(|record| record.milestone.is_some());
    let told = of_it.into_iter().filter(|record| !own || record.milestone.is_some());
    told.map(|shown| {
        let name = registry.get(&shown.system).zip(shown.raw.as_deref());
        let name = name.and_then(|(entry, raw)| entry.connection.name_in(raw));
        RecordName { system: shown.system.clone(), object: shown.object.clone(), id: shown.id.clone(), name }
    })
    .collect()
}

/// Why, with the values that differ and the records that show them.
pub fn reason(title: &str, row: &ExceptionView, records: &[RecordName]) -> String {
    let mut said: Vec<String> = row.differences.iter().map(ToString::to_string).collect();
    said.extend(row.detail.clone());
    let mut text = title.to_owned();
    if !said.is_empty() {
        text = format!("{text}: {}", said.join("; "));
    }
    if !records.is_empty() {
        let names: Vec<String> = records.iter().map(ToString::to_string).collect();
        text = format!("{text} (in {})", names.join(", "));
    }
    text
}

fn exception(registry: &Registry, row: ExceptionView, shown_by: &[ShownBy]) -> Option<Item> {
    let (title, remedy) = meaning(&row.code);
    let leg = row.leg;
    let subject = match (Code::named(&row.code), Kind::named(&row.code)) {
        (Some(code), _) => {
            let (contract, milestone) = (row.contract.clone(), row.milestone.clone());
            Subject::Exception { contract, code, milestone, leg }
        }
        (None, Some(kind)) => Subject::Drift { contract: row.contract.clone(), kind, subject: row.subject.clone() },
        (None, None) => return None,
    };
    let records = records(registry, &row, shown_by);
    let place: Vec<String> = [Some(row.contract.clone()), row.milestone.clone(), leg.map(|leg| leg.to_string())]
        .into_iter()
        .flatten()
        .collect();
    let problem = Problem::new(place.join(" "), reason(title, &row, &records), remedy);
    let held = row.held.filter(|held| held.minor() != 0).map(Amount::from);
    Some(Item {
        contract: Some(row.contract),
        milestone: row.milestone,
        leg,
        since: Some(row.opened_on),
        held,
        values: row.differences,
        records,
        code: Some(row.code),
        ..Item::new(subject, title, row.severity, problem)
    })
}

/// Deliveries that the remote refused, or that were given up: what they were to say is not in the remote.
async fn deliveries(env: &Environment) -> Result<Vec<Item>, StoreError> {
    Ok(env
        .store
        .deliveries(None, &[DeliveryState::Parked])
        .await?
        .into_iter()
        .chain(env.store.given_up().await?)
        .map(delivery)
        .collect())
}

fn delivery(delivery: Delivery) -> Item {
    let title = format!("{} {} to {}", in_words(delivery.kind), delivery.subject, delivery.target);
    let problem = if delivery.state == DeliveryState::Dismissed {
        Problem::new(
            title.clone(),
            format!("it was given up: what milestoned decided is not in {}", delivery.target),
            "try it again: what was written there by hand meanwhile, under the same number, is found and compared",
        )
    } else {
        let fault = delivery.fault.unwrap_or_default();
        Problem::new(title.clone(), fault, delivery.remedy.unwrap_or_default())
    };
    let held = delivery.command.as_ref().and_then(super::item::amount_of);
    let given_up = delivery.state == DeliveryState::Dismissed;
    let mut item = Item {
        since: Some(utc_date(delivery.settled_at.unwrap_or(delivery.created_at))),
        held,
        contract: Some(delivery.contract),
        ..Item::new(Subject::Delivery(delivery.key), title, Severity::Blocking, problem)
    };
    if given_up {
        item.acts = vec![Verb::Release];
    }
    item
}

/// What one of two people has said about a customer.
fn choice(choice: CustomerChoice) -> Item {
    let CustomerChoice { erp, name, remote_id, reason, actor, said_at } = choice;
    let since = Some(utc_date(said_at));
    let title = format!("{name} in {erp}");
    let says =
        format!("{actor} says that it is record {remote_id}, because {reason}; another person has to say the same");
    let remedy = "compare the record with the agreement, then approve it; or close it, and say what is wrong with it";
    let problem = Problem::new(title.clone(), says, remedy);
    let customer = Some(name.clone());
    Item { since, customer, ..Item::new(Subject::Customer { erp, name }, title, Severity::Blocking, problem) }
}

/// A contract of which a row cannot be read.
fn undecided(undecided: Undecided) -> Item {
    let Undecided { contract, problem, since } = undecided;
    let title = format!("Nothing is decided about {contract}");
    let remedy = "see `milestoned audit verify`, and put a backup back; it is tried again at every turn";
    let problem = Problem::new(format!("contract {contract}"), problem, remedy);
    let since = Some(utc_date(since));
    let item = Item::new(Subject::Undecided(contract.clone()), title, Severity::Blocking, problem);
    Item { since, contract: Some(contract), ..item }
}

/// What came in and could not be taken, and what people have halted.
async fn inputs(env: &Environment, filter: &Filter) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    if filter.wants("pause") {
        for pause in env.store.pauses().await? {
            let problem = Problem::new(
                format!("{} {}", pause.scope, pause.name),
                format!("paused by {} since {}: {}", pause.actor, minute(pause.since), pause.reason),
                "resume it when that is over",
            );
            let title = format!("Paused: {} {}", pause.scope, pause.name);
            let contract = (pause.scope == Scope::Contract).then(|| pause.name.clone());
            let subject = Subject::Pause { scope: pause.scope, name: pause.name };
            let item = Item::new(subject, title, Severity::Blocking, problem);
            items.push(Item { since: Some(utc_date(pause.since)), contract, ..item });
        }
    }
    if filter.wants("customer") {
        items.extend(env.store.customer_choices().await?.into_iter().map(choice));
    }
    if filter.wants("undecided") {
        items.extend(env.store.undecided().await?.into_iter().map(undecided));
    }
    if filter.wants("set_aside") {
        for SetAside { contract, problem } in env.store.set_aside().await? {
            let title = format!("Contract {contract} cannot be read");
            let remedy = "nothing is decided about it: go back to the version before the upgrade, or file what is still \
                          to be billed under another id, and its past as history";
            let problem = Problem::new(format!("contract {contract}"), problem, remedy);
            let item = Item::new(Subject::SetAside(contract.clone()), title, Severity::Blocking, problem);
            items.push(Item { contract: Some(contract), ..item });
        }
    }
    if filter.wants("file") {
        for file in env.store.file_problems().await? {
            let problem = Problem::new(file.path.clone(), file.problem, "correct the file; it is read again by itself");
            let title = format!("Contract file {}", file.path);
            let item = Item::new(Subject::File(file.path), title, Severity::Blocking, problem);
            items.push(Item { since: Some(utc_date(file.seen_at)), ..item });
        }
    }
    if filter.wants("record") {
        for record in env.store.parked_records().await? {
            let title = format!("{} {} {}", record.system, record.object, record.remote_id);
            let reasons: Vec<String> =
                record.problems.iter().map(|problem| format!("{}: {}", problem.place, problem.reason)).collect();
            let mut remedies: Vec<String> = record.problems.into_iter().map(|problem| problem.remedy).collect();
            remedies.dedup();
            let problem = Problem::new(title.clone(), reasons.join("; "), remedies.join("; "));
            let item = Item::new(Subject::Record(record.id), title, Severity::Blocking, problem);
            items.push(Item { since: Some(utc_date(record.seen_at)), contract: record.contract, ..item });
        }
    }
    if filter.wants("fact") {
        for fact in env.store.parked_facts().await? {
            let remedy = "correct it where it comes from and send it again; then close this one";
            let title = format!("A fact of contract {}", fact.contract);
            let problem = Problem::new(title.clone(), fact.problem, remedy);
            let item = Item::new(Subject::Fact(fact.id), title, Severity::Blocking, problem);
            items.push(Item { since: Some(utc_date(fact.learned_at)), contract: Some(fact.contract), ..item });
        }
    }
    Ok(items)
}

/// Rows and lines that are not as they were written, as was found last.
fn unattested(env: &Environment) -> Vec<Item> {
    let Some(compared) = env.integrity.latest() else { return Vec::new() };
    let since = Some(utc_date(compared.at));
    let found = compared.flaws.into_iter().take(AT_MOST).map(|(place, what)| {
        let remedy =
            "see who can write the database, and `milestoned audit verify`; nothing is done by it, put a backup back";
        let problem = Problem::new(place.clone(), what, remedy);
        Item {
            since,
            ..Item::new(
                Subject::Unattested(place.clone()),
                format!("Not attested: {place}"),
                Severity::Blocking,
                problem,
            )
        }
    });
    found.collect()
}

/// Credentials that end soon: what then stops needs a person, and often one of another department.
async fn ending(env: &Environment) -> Vec<Item> {
    let mut items = Vec::new();
    let soon = env.clock.now().saturating_add(SignedDuration::from_hours(WARNED.saturating_mul(24)));
    for (name, entry) in env.registry.iter() {
        for expiry in entry.connection.expiries().await {
            if soon.as_ref().is_ok_and(|soon| expiry.at < *soon) {
                let title = format!("Connection {name}");
                let reason = format!("{} ends on {}", expiry.what, expiry.at.strftime("%Y-%m-%d"));
                let problem = Problem::new(title.clone(), reason, expiry.remedy);
                let subject = Subject::Expiry { connection: name.into(), credential: expiry.what.into() };
                items.push(Item::new(subject, title, Severity::Warning, problem));
            }
        }
    }
    items
}

async fn streams(env: &Environment) -> Result<Vec<Item>, StoreError> {
    let faulty = env.store.streams().await?.into_iter().filter_map(|stream| {
        let fault = stream.fault?;
        let title = format!("{} {}", stream.system, stream.stream);
        let remedy = "`milestoned check` tells what is wrong with the connection";
        let since = stream.fault_since.map(|at| format!(" since {}", minute(at))).unwrap_or_default();
        let problem = Problem::new(title.clone(), format!("not read{since}: {fault}"), remedy);
        let subject = Subject::Stream { connection: stream.system, stream: stream.stream };
        Some(Item { since: stream.fault_since.map(utc_date), ..Item::new(subject, title, Severity::Blocking, problem) })
    });
    Ok(faulty.collect())
}

/// A connection may speak of thousands of contracts that were never filed: they are one item, with the first few by name.
async fn unfiled(env: &Environment) -> Result<Option<Item>, StoreError> {
    let unfiled = env.store.unfiled().await?;
    if unfiled.is_empty() {
        return Ok(None);
    }
    let named: Vec<String> =
        unfiled.iter().take(NAMED).map(|unfiled| format!("{} ({})", unfiled.contract, unfiled.systems)).collect();
    let more = unfiled.len().saturating_sub(named.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let noun =
        if unfiled.len() == 1 { "contract that nobody has filed is" } else { "contracts that nobody has filed are" };
    let problem = Problem::new(
        "contract folder",
        format!("{} {noun} spoken of: {}{more}", unfiled.len(), named.join(", ")),
        "file the agreements that milestoned is to bill; the others need nothing",
    );
    Ok(Some(Item::new(Subject::Unfiled, "Not filed", Severity::Warning, problem)))
}

/// Writes that a remote answered and that it has not shown, although it was read long enough since.
async fn unseen(env: &Environment) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    let streams = env.store.streams().await?;
    for (target, entry) in env.registry.iter().filter(|(_, entry)| entry.connection.takes_documents()) {
        let fresh = |name: &&str| {
            let stream = streams.iter().find(|stream| stream.system == target && stream.stream == **name)?;
            stream.fresh_through
        };
        let read_through = entry.connection.streams().iter().map(fresh).min().flatten();
        let Some(before) = read_through.and_then(|at| at.checked_sub(env.settings.delivery.unseen_after).ok()) else {
            continue;
        };
        for write in env.store.unseen(target.to_owned(), before).await? {
            // Not everything that is written is shown: revenue events and schedules are no transactions.
            if write.kind == CommandKind::JournalEntry && !entry.connection.shows_entries() {
                continue;
            }
            let (id, request) =
                write.receipt.map(|receipt| (receipt.remote_id, receipt.request_id)).unwrap_or_default();
            let request = request.map(|request| format!(", request {request}")).unwrap_or_default();
            let since = minute(write.settled_at);
            let title = format!("{} {} to {target}", in_words(write.kind), write.subject);
            let problem = Problem::new(
                title.clone(),
                format!("{target} took it on {since} as record {id}{request}, and has not shown it since"),
                "look for the record there; if it is there, close this with what you saw; if it is not, ask the vendor's \
                 support about the request, and write it there under the same number",
            );
            let item = Item::new(Subject::Unseen(write.key), title, Severity::Blocking, problem);
            items.push(Item { since: Some(utc_date(write.settled_at)), contract: Some(write.contract), ..item });
        }
    }
    Ok(items)
}

/// What the queue needs of an agreement.
#[derive(Deserialize)]
struct Filed {
    #[serde(default)]
    erp: Option<String>,
    #[serde(default)]
    options: Options,
}

/// Agreements and marks that are read at once: an agreement takes kilobytes.
const AT_ONCE: usize = 500;

/// Puts names to things: the customer, the owner, and what people said about them.
pub(super) async fn name(env: &Environment, items: &mut [Item]) -> Result<(), StoreError> {
    for some in items.chunks_mut(AT_ONCE) {
        name_some(env, some).await?;
    }
    Ok(())
}

async fn name_some(env: &Environment, items: &mut [Item]) -> Result<(), StoreError> {
    let contracts: BTreeSet<String> = items.iter().filter_map(|item| item.contract.clone()).collect();
    let agreements = env.store.agreements(contracts.into_iter().collect()).await?;
    let filed: BTreeMap<&String, (&String, Option<Filed>)> =
        agreements.iter().map(|(id, (customer, text))| (id, (customer, serde_json::from_str(text).ok()))).collect();
    let mut marks = env.store.marks(items.iter().map(|item| item.subject.to_string()).collect()).await?;
    for item in items {
        let known = item.contract.as_ref().and_then(|id| filed.get(id));
        item.customer = known.map(|(customer, _)| (*customer).clone()).or(item.customer.take());
        item.erp = known.and_then(|(_, filed)| filed.as_ref()?.erp.clone());
        item.mark = marks.remove(&item.subject.to_string()).unwrap_or_default();
        if item.mark.owner.is_none() {
            let own = known.and_then(|(_, filed)| filed.as_ref()?.options.owner.clone());
            item.mark.owner = own.or_else(|| owner_by_code(env, item.code.as_deref().unwrap_or_default()));
        }
    }
    Ok(())
}

/// Who gets what has no owner of its own: whoever the configuration names for the code, else the first of finance.
fn owner_by_code(env: &Environment, code: &str) -> Option<String> {
    let mail = env.settings.mail.as_ref()?;
    let by_code = mail.owners.get(code).or_else(|| mail.owners.get(&code.to_lowercase()));
    by_code.or(mail.finance.first()).cloned()
}

/// A kind of delivery as people read it.
fn in_words(kind: CommandKind) -> String {
    kind.name().replace('_', " ")
}

/// An instant for people, to the minute.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn utc_date(at: Timestamp) -> Date {
    at.to_zoned(jiff::tz::TimeZone::UTC).date()
}
