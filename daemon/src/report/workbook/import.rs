//! A workbook that came back: kept with what it says differently, and shown beside what holds now, with what would follow. Nothing
//! is done before somebody confirms what was shown.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use milestoned_documents::reader::{FILE_LIMIT, check_unpacked};
use milestoned_identity::rights::Right;
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::problem::Problem;
use milestoned_seal::Purpose;
use milestoned_workbook::book::Book;
use milestoned_workbook::merge::{Edit, Merged, Outcome, changed_since, merge};
use milestoned_workbook::read::{Brought, read};
use milestoned_workbook::write::{Mark, Marks, write};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::sheets::{
    ACTION, ASSIGN_TO, Asker, Field, MILESTONES, OF_A_MILESTONE, OF_CONTRACT, TERMS, book, chosen, named_by, standing,
};
use crate::agreements::{self, Examined};
use crate::engine;
use crate::environment::Environment;
use crate::progress::Progress;
use crate::review::acts::Refused;
use crate::review::effect::{Effect, effect};
use crate::review::portfolio;
use crate::review::snapshot::Snapshots;
use crate::review::verb::Verb;
use crate::store::change_orders::WaitingOrder;
use crate::store::imports::Import;
use crate::store::trace::TracedFact;
use crate::store::{StoreError, json as as_json, parse};

/// Most bytes that a workbook unpacks to: a whole portfolio with its hidden sheet.
const UNPACKED: u64 = 512 * 1024 * 1024;
/// Contracts of a workbook at most: it is taken apart in memory when it comes back.
const MOST_CONTRACTS: usize = 10_000;
/// What of a workbook is said about the text that its contracts were chosen by.
pub const PARAMETERS: &str = "Parameters";

/// How a workbook is attested.
pub fn attest(env: &Environment, digest: &str) -> String {
    env.key.attest(Purpose::Workbook, &[digest])
}

/// A workbook as a file, under a text that contract or customer contain.
///
/// # Errors
/// The store failed, it cannot be written, or it would have more contracts than a workbook is read back with.
pub async fn export(
    env: &Environment,
    snapshots: &Snapshots,
    asker: &Asker,
    (text, progress): (&str, &Progress),
) -> Result<Vec<u8>, Refused> {
    let snapshot = snapshots.now(env).await?;
    let contracts = chosen(env, &snapshot, text).await?;
    if contracts.len() > MOST_CONTRACTS {
        let reason = format!("these are {} contracts, and a workbook has at most {MOST_CONTRACTS}", contracts.len());
        let remedy = "choose fewer by a text of id or customer, or take the lists, which have no limit";
        return Err(Refused::Invalid(Problem::new("q", reason, remedy)));
    }
    progress.begins(contracts.len());
    let book = book(env, &snapshot, asker, (text, &contracts), progress).await?;
    let bytes = written(env, &book, &Marks::new())?;
    let about: Vec<String> = book.about.iter().map(|(name, text)| format!("{name}: {text}")).collect();
    let detail = format!("{}; SHA-256 of the file: {}", about.join("; "), digest_of(&bytes));
    env.store.list_exported(&asker.actor(), "workbook.xlsx".into(), detail, env.clock.now()).await?;
    Ok(bytes)
}

fn written(env: &Environment, book: &Book, marks: &Marks) -> Result<Vec<u8>, Refused> {
    write(book, marks, &|digest| attest(env, digest)).map_err(|reason| {
        let remedy = "export fewer contracts, and report what the reason says";
        Refused::Invalid(Problem::new("workbook", format!("it cannot be written: {reason}"), remedy))
    })
}

fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is kept of a workbook beside its edits.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What was said about it when it was exported.
    pub exported: BTreeMap<String, String>,
    /// Rows that were known.
    pub rows: usize,
    /// Cells that others have changed since, and this file has not.
    pub changed_since: usize,
    /// What was left out.
    pub told: Vec<String>,
}

/// Takes in a workbook. Gives the name under which it is kept.
///
/// # Errors
/// Why it is not taken.
pub async fn bring(
    env: &Environment,
    snapshots: &Snapshots,
    asker: &Asker,
    (name, bytes): (String, Vec<u8>),
) -> Result<String, Refused> {
    let refused =
        |reason: String| Refused::Invalid(Problem::new("workbook", reason, "see the sheet Read me of an export"));
    if bytes.len() > FILE_LIMIT {
        return Err(refused(format!("the file has {} bytes, more than {FILE_LIMIT}", bytes.len())));
    }
    let (digest, key) = (digest_of(&bytes), env.key.clone());
    let reading = tokio::task::spawn_blocking(move || -> Result<Brought, String> {
        check_unpacked(&bytes, UNPACKED, "Excel").map_err(|error| error.to_string())?;
        let attested = |digest: &str, made: &str| key.attests(Purpose::Workbook, &[digest], made);
        read(&bytes, &attested).map_err(|error| error.to_string())
    });
    let brought = reading.await.map_err(|error| refused(format!("it cannot be read: {error}")))?.map_err(refused)?;
    let contracts: BTreeSet<String> =
        brought.base.rows.keys().filter_map(|key| named_by(key)).map(|row| row.0).collect();
    let contracts: Vec<String> = contracts.into_iter().collect();
    let snapshot = snapshots.now(env).await?;
    let now = standing(env, &snapshot, asker, &contracts).await?;
    let kept = Kept {
        rows: brought.rows,
        changed_since: changed_since(&brought.base, &brought.edits, &now),
        told: brought.told,
        exported: brought.base.about,
    };
    let at = env.clock.now();
    let id = DeliveryKey::of(&[&digest, &asker.name, &at.to_string()]).to_string();
    let import = Import {
        id: id.clone(),
        name,
        actor: asker.actor(),
        brought_at: at,
        digest,
        about: as_json(&kept)?,
        edits: as_json(&brought.edits)?,
        confirmed_at: None,
        outcome: None,
    };
    env.store.keep_import(import).await?;
    Ok(id)
}

/// An edit with what holds now, and who has changed it since the export.
#[derive(Debug, Clone, Serialize)]
pub struct Beside {
    /// The edit and what becomes of it.
    #[serde(flatten)]
    pub merged: Merged,
    /// Who has changed the cell since, and when.
    pub changed_by: Option<(String, Timestamp)>,
}

impl Beside {
    /// What becomes of it, in words.
    pub fn in_words(&self) -> String {
        let now = self.merged.now.as_deref().unwrap_or_default();
        let by = self.changed_by.as_ref();
        let by = by.map(|(who, at)| format!(", by {who} on {} UTC", at.strftime("%Y-%m-%d %H:%M"))).unwrap_or_default();
        match &self.merged.outcome {
            Outcome::Edit => "will be taken".into(),
            Outcome::Same => "it says so already".into(),
            Outcome::Conflict => format!("left alone: somebody has changed it to {now:?} since the export{by}"),
            Outcome::Refused(reason) => format!("not taken: {reason}"),
        }
    }
}

/// A change order that a workbook would file.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The contract.
    pub contract: String,
    /// As files have it.
    pub order: Value,
    /// How many cells it is made of.
    pub cells: usize,
    /// What would follow, or why it would be refused.
    pub effect: Result<Effect, String>,
}

/// An act that a workbook asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// About what, by its subject.
    pub subject: String,
    /// What was exported of it.
    pub stamp: String,
    /// The act.
    pub verb: Verb,
    /// With `assign`: to whom.
    pub to: Option<String>,
}

/// A workbook that was brought, beside what holds now.
pub struct Preview {
    /// The workbook.
    pub import: Import,
    /// What is kept of it.
    pub kept: Kept,
    /// Its edits.
    pub edits: Vec<Beside>,
    /// The change orders that they make.
    pub orders: Vec<Planned>,
    /// The acts that they ask for.
    pub acts: Vec<Asked>,
    /// A digest of all this: what is confirmed is what was shown.
    pub seen: String,
}

impl Preview {
    /// How many edits come to this.
    pub fn count(&self, is: fn(&Outcome) -> bool) -> usize {
        self.edits.iter().filter(|edit| is(&edit.merged.outcome)).count()
    }
}

/// A workbook that was brought, as it stands beside what holds now. `None`: none is called so.
///
/// # Errors
/// The store failed.
pub async fn preview(
    env: &Environment,
    snapshots: &Snapshots,
    asker: &Asker,
    id: &str,
) -> Result<Option<Preview>, StoreError> {
    let Some(import) = env.store.import(id.to_owned()).await? else { return Ok(None) };
    let kept: Kept = parse("workbook_import", "about", id, &import.about)?;
    let edits: Vec<Edit> = parse("workbook_import", "edits", id, &import.edits)?;
    let contracts: BTreeSet<String> = edits.iter().filter_map(|edit| named_by(&edit.key)).map(|edit| edit.0).collect();
    // What waits to be decided is decided first: an edit is compared with what holds now.
    engine::turn(env, |due| contracts.contains(due)).await?;
    let snapshot = snapshots.now(env).await?;
    let contracts: Vec<String> = contracts.into_iter().collect();
    let now = standing(env, &snapshot, asker, &contracts).await?;
    let mut merged = merge(edits, &now);
    let waiting = waiting(env).await?;
    for row in &mut merged {
        refuse(row, asker);
        meet_waiting(row, &waiting);
    }
    let acts = acts(&mut merged, asker);
    let edits = with_authors(env, merged).await?;
    let orders = orders(env, &edits, asker, &waiting).await?;
    let mut parts: Vec<String> = edits.iter().map(|edit| format!("{:?}", edit.merged)).collect();
    parts.extend(orders.iter().map(|order| order.order.to_string()));
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let seen = DeliveryKey::of(&parts).to_string();
    Ok(Some(Preview { import, kept, edits, orders, acts, seen }))
}

/// What cannot be taken from this person, or by this way.
fn refuse(row: &mut Merged, asker: &Asker) {
    if row.outcome != Outcome::Edit {
        return;
    }
    let of_terms = [TERMS, MILESTONES].contains(&row.edit.sheet.as_str());
    let reason = match row.edit.theirs.as_str() {
        "" => "an emptied cell takes nothing back: file a change order for it",
        _ if of_terms && !asker.rights.has(Right::FileTerms) => "it needs the right file_terms",
        _ => return,
    };
    row.outcome = Outcome::Refused(reason.into());
}

/// Change orders that wait for an approval, by contract.
type Waiting = BTreeMap<String, Vec<WaitingOrder>>;

async fn waiting(env: &Environment) -> Result<Waiting, StoreError> {
    let mut waiting = Waiting::new();
    for order in env.store.waiting_orders(None).await? {
        waiting.entry(order.contract.clone()).or_default().push(order);
    }
    Ok(waiting)
}

/// What somebody else has changed already, in a change order that waits for an approval, is theirs.
fn meet_waiting(row: &mut Merged, waiting: &Waiting) {
    let named = named_by(&row.edit.key).filter(|_| row.outcome == Outcome::Edit);
    let Some((contract, milestone)) = named else { return };
    let Some(field) = field_of(milestone.is_some(), &row.edit.column) else { return };
    for order in waiting.get(&contract).into_iter().flatten() {
        let fact = serde_json::to_value(&order.fact).unwrap_or_default();
        if let Some(value) = said_of(&fact, milestone.as_deref(), field.name) {
            let (version, by) = (agreements::order_version(&order.fact), &order.actor);
            row.outcome = Outcome::Refused(format!(
                "version {version} of {contract}, filed by {by}, makes it {value} and waits for an approval"
            ));
        }
    }
}

/// What a change order says of a field of a contract, or of a milestone.
fn said_of<'a>(order: &'a Value, milestone: Option<&str>, field: &str) -> Option<&'a Value> {
    let Some(id) = milestone else { return order.get(field) };
    let items = ["add", "change"].into_iter().filter_map(|list| order.get(list)).filter_map(Value::as_array);
    let mut named = items.flatten().filter(|item| item.get("id").is_some_and(|named| named == id));
    named.find_map(|item| item.get(field))
}

/// The acts that the edits ask for; what does not make one is refused.
fn acts(merged: &mut [Merged], asker: &Asker) -> Vec<Asked> {
    let is_act =
        |row: &&mut Merged| row.outcome == Outcome::Edit && [ACTION, ASSIGN_TO].contains(&row.edit.column.as_str());
    let mut rows: BTreeMap<String, Vec<&mut Merged>> = BTreeMap::new();
    for row in merged.iter_mut().filter(is_act) {
        rows.entry(row.edit.key.clone()).or_default().push(row);
    }
    let mut acts = Vec::new();
    for (subject, mut cells) in rows {
        let said = |cells: &[&mut Merged], column: &str| {
            cells.iter().find(|cell| cell.edit.column == column).map(|cell| cell.edit.theirs.clone())
        };
        let to = said(&cells, ASSIGN_TO);
        let verb = said(&cells, ACTION).map(|word| word.parse::<Verb>());
        let refused = match (&verb, &to) {
            (None, _) => Some("choose assign in the column Action".to_owned()),
            (Some(Err(problem)), _) => Some(problem.to_string()),
            (Some(Ok(verb)), _) if !asker.rights.has(verb.right()) => {
                Some(format!("it needs the right {}", verb.right()))
            }
            (Some(Ok(Verb::Assign)), None) => Some("write in Assign to who is to look after it".into()),
            (Some(Ok(verb)), Some(_)) if *verb != Verb::Assign => {
                Some(format!("Assign to belongs to assign, not to {}", verb.name()))
            }
            _ => None,
        };
        match (refused, verb) {
            (None, Some(Ok(verb))) => {
                let stamp = cells.first().map(|cell| cell.edit.stamp.clone()).unwrap_or_default();
                acts.push(Asked { subject, stamp, verb, to });
            }
            (reason, _) => {
                let reason = reason.unwrap_or_default();
                cells.iter_mut().for_each(|cell| cell.outcome = Outcome::Refused(reason.clone()));
            }
        }
    }
    acts
}

/// Who has changed the cells in which an edit meets another one.
async fn with_authors(env: &Environment, merged: Vec<Merged>) -> Result<Vec<Beside>, StoreError> {
    let mut facts: BTreeMap<String, Vec<TracedFact>> = BTreeMap::new();
    let mut all = Vec::with_capacity(merged.len());
    for row in merged {
        let named = named_by(&row.edit.key).filter(|_| row.outcome == Outcome::Conflict);
        let changed_by = match named {
            None => None,
            Some((contract, milestone)) => {
                if !facts.contains_key(&contract) {
                    facts.insert(contract.clone(), env.store.decided_facts(contract.clone()).await?);
                }
                let facts = facts.get(&contract).map(Vec::as_slice).unwrap_or_default();
                author(facts, milestone.as_deref(), &row.edit.column)
            }
        };
        all.push(Beside { merged: row, changed_by });
    }
    Ok(all)
}

/// Who filed the newest change order that names a field.
fn author(facts: &[TracedFact], milestone: Option<&str>, head: &str) -> Option<(String, Timestamp)> {
    let field = field_of(milestone.is_some(), head)?.name;
    let names = |fact: &&TracedFact| said_of(&fact.fact, milestone, field).is_some();
    let orders = facts.iter().rev().filter(|fact| fact.fact.get("type").is_some_and(|kind| kind == "amended"));
    orders.into_iter().find(names).map(|fact| (fact.actor.to_string(), fact.at))
}

fn field_of(of_milestone: bool, head: &str) -> Option<&'static Field> {
    let fields: &'static [Field] = if of_milestone { &OF_A_MILESTONE } else { &OF_CONTRACT };
    fields.iter().find(|field| field.head == head)
}

/// The change orders that edits of terms make, one a contract, each with what would follow.
async fn orders(
    env: &Environment,
    edits: &[Beside],
    asker: &Asker,
    waiting: &Waiting,
) -> Result<Vec<Planned>, StoreError> {
    let mut by_contract: BTreeMap<String, Vec<(Option<String>, &Edit)>> = BTreeMap::new();
    for beside in edits.iter().filter(|edit| edit.merged.outcome == Outcome::Edit) {
        if let Some((contract, milestone)) = named_by(&beside.merged.edit.key) {
            by_contract.entry(contract).or_default().push((milestone, &beside.merged.edit));
        }
    }
    let mut planned = Vec::new();
    for (contract, cells) in by_contract {
        let Some(row) = env.store.contract(contract.clone()).await? else { continue };
        let state = portfolio::state(&row)?;
        let before = waiting.get(&contract).map(Vec::as_slice).unwrap_or_default();
        let order = change_order(&contract, agreements::next_version(&state, before), &cells);
        let effect = match agreements::examine(env, order.clone(), &asker.actor(), env.clock.now()).await {
            Ok(Examined::Order(order)) => effect(&state, &order.fact).map_err(|problem| problem.to_string()),
            Ok(_) => Err("it was filed before".into()),
            Err(agreements::Refusal::Store(error)) => return Err(error),
            Err(refusal) => Err(refusal.to_string()),
        };
        planned.push(Planned { contract, order, cells: cells.len(), effect });
    }
    Ok(planned)
}

/// A change order as files have it, signed: what it would do is asked of one that counts.
fn change_order(contract: &str, version: u32, cells: &[(Option<String>, &Edit)]) -> Value {
    let mut order = Map::new();
    let mut changes: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (milestone, edit) in cells {
        let Some(field) = field_of(milestone.is_some(), &edit.column) else { continue };
        let value = typed(field, &edit.theirs);
        match milestone {
            None => drop(order.insert(field.name.into(), value)),
            Some(id) => drop(changes.entry(id).or_default().insert(field.name.into(), value)),
        }
    }
    let changes: Vec<Value> = changes
        .into_iter()
        .map(|(id, mut fields)| {
            fields.insert("id".into(), id.into());
            Value::Object(fields)
        })
        .collect();
    if !changes.is_empty() {
        order.insert("change".into(), Value::Array(changes));
    }
    order.insert("amends".into(), contract.into());
    order.insert("version".into(), json!(version));
    order.insert("signed".into(), json!(true));
    Value::Object(order)
}

fn typed(field: &Field, text: &str) -> Value {
    match field.name {
        "partial_acceptance" => json!(text == "yes"),
        "billing_cycle_day" | "window_days" => text.parse::<u32>().map_or_else(|_| json!(text), |days| json!(days)),
        _ => json!(text),
    }
}

/// The workbook as it stands now, with what was edited in its cells and a note about each.
///
/// # Errors
/// The store failed, or it cannot be written.
pub async fn annotated(
    env: &Environment,
    snapshots: &Snapshots,
    asker: &Asker,
    preview: &Preview,
) -> Result<Vec<u8>, Refused> {
    let text = preview.kept.exported.get(PARAMETERS).map(String::as_str).unwrap_or_default();
    let snapshot = snapshots.now(env).await?;
    let contracts = chosen(env, &snapshot, text).await?;
    let book = book(env, &snapshot, asker, (text, &contracts), &Progress::default()).await?;
    let mut marks = Marks::new();
    for beside in &preview.edits {
        let edit = &beside.merged.edit;
        let held = beside.merged.now.as_deref().unwrap_or_default();
        let stands_out = !matches!(beside.merged.outcome, Outcome::Edit | Outcome::Same);
        // A cell that is not edited here shows what holds.
        let value = if edit.refused.is_some() { held.to_owned() } else { edit.theirs.clone() };
        let note =
            format!("{}. Exported: {:?}. Written: {:?}. Now: {held:?}.", beside.in_words(), edit.base, edit.theirs);
        marks.insert((edit.key.clone(), edit.column.clone()), Mark { value, note, stands_out });
    }
    written(env, &book, &marks)
}
