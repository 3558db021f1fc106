//! Agreements: contract terms and change orders out of a watched folder and over the API.
//!
//! A contract file is the terms of section 2 of the rules, plus an optional table `[milestoned]` with what the daemon
//! needs to know: `erp`, `owner`, `policy`. A file with `amends = "CONTRACT"` is a change order.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use jiff::Timestamp;
use milestoned_identity::duties;
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::contract::{Contract, Policy};
use milestoned_mapping::fact::{Amendment, DecimalText, Event, Fact};
use milestoned_mapping::filed::{json_tree, toml_tree};
use milestoned_mapping::identifiers;
use milestoned_mapping::money::{Currency, Minor, Money, grouped};
use milestoned_mapping::problem::Problem;
use milestoned_mapping::schema::FileKind;
use milestoned_mapping::terms::{Terms, TermsErrors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract_folder;
use crate::environment::Environment;
use crate::registry::Connection;
use crate::settings::Approvals;
use crate::store::action::Action;
use crate::store::actor::Actor;
use crate::store::agreement_files::Seen;
use crate::store::audit::Entry;
use crate::store::change_orders::{FiledOrder, OrderState, WaitingOrder};
use crate::store::contracts::{ContractRow, NewContract};
use crate::store::customers::Whose;
use crate::store::hands::Sums;
use crate::store::intake::NewFact;
use crate::store::{StoreError, parse};

/// So many files may be gone at once before the folder itself is doubted, whatever their share.
const FEW: usize = 5;
/// What the number of the first correction of an invoice ends in.
const CORRECTION: &str = "-C1";

/// What the daemon needs to know of a contract beside its terms.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// ERP connection that gets its documents.
    #[serde(default)]
    pub erp: Option<String>,
    /// Mail address of the person who looks after its exceptions.
    #[serde(default)]
    pub owner: Option<String>,
    /// Review policy; what it does not say is as in the configuration, and it cannot ask for less.
    #[serde(default)]
    pub policy: Option<Value>,
    /// Who may approve, beyond what the configuration asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<OwnApprovals>,
    /// Values that were read from a document and that nobody has confirmed: a file in which one is named is refused.
    #[serde(default, skip_serializing)]
    pub unconfirmed: NoneLeft,
}

/// What a contract asks of approvals for itself. It only adds to what the company asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnApprovals {
    /// Whether whoever had a hand in what would be billed may not let it go.
    #[serde(default)]
    pub segregated: bool,
    /// Above this, in the contract's currency, two people are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_over: Option<DecimalText>,
}

impl OwnApprovals {
    /// What holds for a contract: what the company asks for, and what the contract adds.
    pub fn under(own: Option<Self>, company: &Approvals) -> duties::Policy {
        let policy = |segregated, second_over: Option<DecimalText>| duties::Policy {
            segregated,
            second_over: second_over.map(|limit| limit.0),
        };
        let own = own.unwrap_or_default();
        duties::tightened(policy(company.segregated, company.second_over), policy(own.segregated, own.second_over))
    }
}

/// An empty list: a name in it is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NoneLeft;

impl<'de> Deserialize<'de> for NoneLeft {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        if names.is_empty() {
            return Ok(Self);
        }
        Err(serde::de::Error::custom(format!(
            "{} values were read from a document and are not confirmed ({}); compare each with the document and take its name out",
            names.len(),
            names.join(", ")
        )))
    }
}

/// A contract as filed: terms, options, and the policy that follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Agreement {
    /// Terms, section 2 of the rules.
    pub terms: Terms,
    /// Options of the daemon.
    pub options: Options,
    /// Review policy in force.
    pub policy: Policy,
    /// ERP connection.
    pub erp: String,
}

/// What deciding needs of a filed agreement: its terms and policy stand in the contract's state.
#[derive(Debug, Clone, Deserialize)]
pub struct Addressee {
    /// ERP connection.
    pub erp: String,
    /// Options of the daemon.
    #[serde(default)]
    pub options: Options,
}

/// What became of a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filed {
    /// The contract is open now.
    Opened(String),
    /// It was known, with the same terms.
    Known(String),
    /// A change order was taken.
    Amended(String),
    /// A change order was taken, and takes no effect before somebody has approved it.
    Waits(String),
}

/// Why a filing was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What was filed cannot be read or breaks a rule of section 2; one problem a line, each with its field.
    #[error("{0}")]
    Invalid(String),
    /// The contract is known with other terms.
    #[error("contract {0} is known with other terms: file a change order (amends = \"{0}\") instead")]
    Changed(String),
    /// A change order was taken, and its file says something else now.
    #[error(
        "change order {version} of contract {contract} was taken as the file had it before: put it back, or file what has changed as a new version"
    )]
    Edited {
        /// The contract.
        contract: String,
        /// The version that was taken.
        version: u32,
    },
    /// Somebody has refused the change order.
    #[error(
        "change order {version} of contract {contract} was refused as it is: file what has changed as a new version"
    )]
    Refused {
        /// The contract.
        contract: String,
        /// Its version.
        version: u32,
    },
    /// The change order names a contract that is not known.
    #[error("contract {0} is not known: file its terms first")]
    Unknown(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the folder. Returns whether a file was new or changed.
///
/// # Errors
/// The store failed. A file that cannot be taken is noted with its problem, and the others go on.
pub async fn scan(env: &Environment, folder: &Path, now: Timestamp) -> Result<bool, StoreError> {
    let listed = contract_folder::list(folder).await;
    let Some(files) = listed_or_told(env, folder, listed, "agreements.folder", now).await? else { return Ok(false) };
    let (mut changed, mut waiting) = (false, Vec::new());
    for path in &files {
        match scan_file(env, path, now).await? {
            Scanned::Waits { seen, problem } => waiting.push((path, seen, problem)),
            Scanned::Changed => changed = true,
            Scanned::Same => {}
        }
    }
    for (path, seen, problem) in waiting {
        // A file that was read after it may have brought the contract.
        if changed && !matches!(scan_file(env, path, now).await?, Scanned::Waits { .. }) {
            continue;
        }
        changed |= waits(env, path, seen, problem, now).await?;
    }
    let there: BTreeSet<String> = files.iter().map(|path| path.display().to_string()).collect();
    forget_refused(env, folder, &there, now).await?;
    missed(env, folder, &there, now).await?;
    Ok(changed)
}

/// The files of a folder; a folder that cannot be read is told to people, with the `key` of the configuration that names it.
pub(crate) async fn listed_or_told(
    env: &Environment,
    folder: &Path,
    listed: Result<Vec<PathBuf>, String>,
    key: &str,
    now: Timestamp,
) -> Result<Option<Vec<PathBuf>>, StoreError> {
    match listed {
        Ok(files) => Ok(Some(files)),
        Err(error) => {
            let problem = format!("the folder cannot be read: {error}; create it, or change {key}");
            env.store.agreement_file_seen(folder.display().to_string(), Seen::Gone, None, Some(problem), now).await?;
            Ok(None)
        }
    }
}

/// A refused file that is gone waits for nobody any more, and so does a folder that could not be read and was now.
pub(crate) async fn forget_refused(
    env: &Environment,
    folder: &Path,
    there: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    for refused in env.store.file_problems().await? {
        let of_folder = Path::new(&refused.path).parent() == Some(folder) && !there.contains(&refused.path);
        let unreadable = Path::new(&refused.path) == folder;
        if !of_folder && !unreadable {
            continue;
        }
        let known = env.store.agreement_file(refused.path.clone()).await?;
        // A file that brought a contract stays known when it is taken away, and so does a folder of which many files
        // are missing: a person looks at both.
        if known.is_some_and(|known| known.contract.is_none() && known.seen != Seen::Lacking) {
            env.store.agreement_file_seen(refused.path, Seen::Gone, None, None, now).await?;
        }
    }
    Ok(())
}

/// Files that were taken and are gone. Where many are gone at once, something is wrong with the folder.
async fn missed(env: &Environment, folder: &Path, there: &BTreeSet<String>, now: Timestamp) -> Result<(), StoreError> {
    let taken = env.store.files_taken(folder.display().to_string()).await?;
    let known = taken.len();
    let gone: Vec<(String, String)> = taken.into_iter().filter(|(path, _)| !there.contains(path)).collect();
    let most = known.saturating_mul(usize::try_from(env.settings.intake.brake).unwrap_or(usize::MAX)) / 100;
    let place = folder.display().to_string();
    if gone.len() > most.max(FEW) {
        let problem = format!(
            "{} of {known} contract files are gone from the folder; see whether it is the right one, and whole",
            gone.len()
        );
        return env.store.agreement_file_seen(place, Seen::Lacking, None, Some(problem), now).await;
    }
    if env.store.agreement_file(place.clone()).await?.is_some_and(|known| known.seen != Seen::Gone) {
        env.store.agreement_file_seen(place, Seen::Gone, None, None, now).await?;
    }
    for (path, contract) in gone {
        let problem = format!(
            "the file is gone, and the terms of contract {contract} that came with it are in force; put it back, or close this \
             with `milestoned review close \"file:{path}\"`, and a reason; what has changed in the agreement is a change order"
        );
        env.store.agreement_file_seen(path, Seen::Gone, Some(contract), Some(problem), now).await?;
    }
    Ok(())
}

/// What became of a contract file at a look at the folder.
enum Scanned {
    /// Nothing new.
    Same,
    /// It was taken, or refused.
    Changed,
    /// It is a change order of a contract that is not known: its digest, and what is said of it.
    Waits { seen: Seen, problem: String },
}

/// Tells that a change order waits for its contract, once. Returns whether that is new.
async fn waits(
    env: &Environment,
    path: &Path,
    seen: Seen,
    problem: String,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let name = path.display().to_string();
    if env.store.agreement_file(name.clone()).await?.is_some_and(|known| known.seen == seen) {
        return Ok(false);
    }
    tracing::warn!(file = name, problem, "a change order waits for its contract");
    env.store.agreement_file_seen(name, seen, None, Some(problem), now).await?;
    Ok(true)
}

async fn scan_file(env: &Environment, path: &Path, now: Timestamp) -> Result<Scanned, StoreError> {
    let name = path.display().to_string();
    let text = contract_folder::read(path).await;
    let digest = match &text {
        Ok(text) => DeliveryKey::of(&[text]),
        Err(reason) => DeliveryKey::of(&["unreadable", reason]),
    };
    let seen = Seen::Text(digest.to_string());
    let known = env.store.agreement_file(name.clone()).await?;
    if known.as_ref().is_some_and(|known| known.seen == seen) {
        return Ok(Scanned::Same);
    }
    let taken = known.and_then(|known| known.contract);
    let filed = match text.and_then(|text| tree(path, &text)) {
        Ok(value) => file_once(env, value, &name, taken.is_some(), now).await,
        Err(reason) => Err(Refusal::Invalid(reason)),
    };
    let (contract, problem) = match filed {
        Ok(Filed::Opened(id) | Filed::Known(id) | Filed::Amended(id) | Filed::Waits(id)) => (Some(id), None),
        Err(Refusal::Store(error)) => return Err(error),
        // Another file may bring the contract later: it is tried again.
        Err(refusal @ Refusal::Unknown(_)) => {
            let problem = format!("{refusal}; this file is tried again by itself");
            return Ok(Scanned::Waits { seen: Seen::Waiting(digest.to_string()), problem });
        }
        Err(refusal) => {
            tracing::warn!(file = name, problem = %refusal, "contract file refused");
            (taken, Some(refusal.to_string()))
        }
    };
    env.store.agreement_file_seen(name, seen, contract, problem, now).await?;
    Ok(Scanned::Changed)
}

/// Files what a file says. A file on which the daemon fails is refused like one that is wrong, and the others go on.
async fn file_once(
    env: &Environment,
    value: Value,
    name: &str,
    was_taken: bool,
    now: Timestamp,
) -> Result<Filed, Refusal> {
    let filing = async {
        match if was_taken { edited(env, &value).await? } else { None } {
            Some(refusal) => Err(refusal),
            None => {
                let owner = env.settings.agreements.folder_owner.as_ref().map_or(Actor::ContractFolder, Actor::from);
                file(env, value, name, &owner, now).await
            }
        }
    };
    AssertUnwindSafe(filing).catch_unwind().await.unwrap_or_else(|_| {
        Err(Refusal::Invalid(
            "the daemon failed on this file, which is a fault of milestoned: report it with the file, and see the log"
                .into(),
        ))
    })
}

/// Whether a file that was taken as a change order says something else now of a version that is in force.
async fn edited(env: &Environment, value: &Value) -> Result<Option<Refusal>, StoreError> {
    let Some(contract) = value.get("amends").and_then(Value::as_str) else { return Ok(None) };
    let version = value.get("version").and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok());
    let (Some(version), Some(row)) = (version, env.store.contract(contract.to_owned()).await?) else { return Ok(None) };
    let state: Contract = parse("contract", "state", &row.id, &row.state)?;
    let mut body = value.clone();
    let at = body.as_object_mut().and_then(|table| {
        table.remove("amends");
        table.remove("at")
    });
    let at = at.and_then(|at| serde_json::from_value::<Timestamp>(at).ok());
    let known = env.store.fact_by_identity(contract.to_owned(), amendment_identity(&body, at)).await?.is_some();
    let refusal = Refusal::Edited { contract: contract.to_owned(), version };
    Ok((version <= state.version() && !known).then_some(refusal))
}

/// How the identity of a change order begins.
const AMENDMENT: &str = "amendment:";

/// The same change order is one, however often it is read.
fn amendment_identity(body: &Value, at: Option<Timestamp>) -> String {
    let at = at.map(|at| at.to_string()).unwrap_or_default();
    format!("{AMENDMENT}{}", DeliveryKey::of(&[&body.to_string(), &at]))
}

/// The digest in the identity of a change order, by which it is named.
pub fn order_key(identity: &str) -> &str {
    identity.strip_prefix(AMENDMENT).unwrap_or(identity)
}

/// The customer whom a change order brings in.
pub fn customer_brought(fact: &Fact) -> Option<String> {
    if let Event::Amended(order) = &fact.event { order.customer.clone() } else { None }
}

/// The version that a change order makes.
pub fn order_version(fact: &Fact) -> u32 {
    if let Event::Amended(order) = &fact.event { order.version } else { 0 }
}

/// The version that a change order makes that comes after what holds and after what waits for an approval.
pub fn next_version(state: &Contract, waiting: &[WaitingOrder]) -> u32 {
    let waiting = waiting.iter().map(|order| order_version(&order.fact));
    waiting.fold(state.version(), u32::max).saturating_add(1)
}

/// Reads TOML or JSON, by extension, into one tree; amounts stay text.
fn tree(path: &Path, text: &str) -> Result<Value, String> {
    if path.extension().is_some_and(|extension| extension == "json") {
        return json_tree(text);
    }
    toml_tree(text)
}

/// What filing something would do.
pub enum Examined {
    /// Nothing: it was filed before.
    Known(Filed),
    /// A contract would be opened.
    Contract(Box<Fresh>),
    /// A change order would be taken.
    Order(Box<Order>),
}

/// A contract that may be filed.
pub struct Fresh {
    /// What would be kept.
    pub row: ContractRow,
    /// Its customer.
    pub customer: String,
}

/// A change order that may be filed.
pub struct Order {
    /// The contract that it changes, as it stands.
    pub row: ContractRow,
    /// The change order.
    pub fact: Fact,
    identity: String,
}

/// Files a contract or a change order that was read into a tree.
///
/// # Errors
/// [`Refusal`]; nothing is half-filed.
pub async fn file(
    env: &Environment,
    value: Value,
    source: &str,
    actor: &Actor,
    now: Timestamp,
) -> Result<Filed, Refusal> {
    match examine(env, value, actor, now).await? {
        Examined::Known(filed) => Ok(filed),
        Examined::Contract(new) => {
            let Fresh { row, customer } = *new;
            let (id, as_of, digest) = (row.id.clone(), row.opened_on, row.digest.clone());
            let new = NewContract { row, as_of, customer, source: source.into(), actor: actor.clone() };
            if !env.store.open_contract(new, now).await? {
                // Somebody else has filed it in this moment.
                let known = env.store.contract(id.clone()).await?;
                let same = known.is_some_and(|known| known.digest == digest);
                return if same { Ok(Filed::Known(id)) } else { Err(Refusal::Changed(id)) };
            }
            tracing::info!(contract = id, source, %actor, "contract filed");
            Ok(Filed::Opened(id))
        }
        Examined::Order(order) => take(env, *order, actor, now).await,
    }
}

/// What filing would do; nothing is written.
///
/// # Errors
/// [`Refusal`], as filing would be refused.
pub async fn examine(env: &Environment, mut value: Value, actor: &Actor, now: Timestamp) -> Result<Examined, Refusal> {
    match value.as_object_mut().and_then(|table| table.remove("amends")) {
        None => contract_of(env, value, actor, now).await,
        Some(Value::String(contract)) => order_of(env, contract, value, now).await,
        Some(_) => Err(Refusal::Invalid("amends: give the contract's id as text".into())),
    }
}

async fn contract_of(env: &Environment, value: Value, actor: &Actor, now: Timestamp) -> Result<Examined, Refusal> {
    let mut problems = identifiers::problems(&value);
    let filed = value.clone();
    let mut agreement = read(env, value)?;
    agreement.policy = agreement.policy.approving_orders();
    if *actor == Actor::ContractFolder {
        // Whom a segregation of duties would exclude is not known: somebody else is to look at it.
        agreement.policy = agreement.policy.approving_all();
    }
    let id = agreement.terms.id().to_owned();
    let text = serde_json::to_string(&agreement).map_err(|error| Refusal::Invalid(error.to_string()))?;
    let digest = DeliveryKey::of(&[&text]).to_string();
    if let Some(known) = env.store.contract(id.clone()).await? {
        let same = known.digest == digest || says_the_same(&known, &text)?;
        return if same { Ok(Examined::Known(Filed::Known(id))) } else { Err(Refusal::Changed(id)) };
    }
    problems.extend(refused_by(env, &agreement.erp, &id, &filed));
    if let Some(other) = env.store.contract_alike(id.clone()).await? {
        problems.push(FileKind::of(&filed).problem("id", identifiers::differs_in_case(&id, &other)));
    }
    well_named(problems)?;
    let closed = env.store.closed_dates().await?.remove(&agreement.erp);
    if let (Some(first), Some(closed)) = (agreement.terms.books_from(), closed)
        && first <= closed.through
    {
        let next = closed.through.tomorrow().unwrap_or(closed.through);
        let reason = format!("the dates of {} are closed through {}", closed.erp, closed.through);
        return Err(Refusal::Invalid(format!(
            "books_from: {reason}; write {next} or a later date, and what was before as history"
        )));
    }
    let today = agreement.terms.local_date(now);
    let contract = open(&agreement, &env.calendars, today).map_err(Refusal::Invalid)?;
    let state = serde_json::to_string(&contract).map_err(|error| Refusal::Invalid(error.to_string()))?;
    let row = ContractRow {
        id,
        agreement: text,
        digest,
        opened_on: today,
        state,
        history: 0,
        planned_documents: 0,
        journal_through: None,
        revision: 0,
        attested: Default::default(),
    };
    Ok(Examined::Contract(Box::new(Fresh { row, customer: agreement.terms.customer().into() })))
}

/// Whether an agreement is filed again under a company's policy that has changed since: what was filed is the same.
fn says_the_same(known: &ContractRow, text: &str) -> Result<bool, StoreError> {
    let filed = |text: &str| -> Result<Value, StoreError> {
        let mut filed: Value = parse("contract", "agreement", &known.id, text)?;
        filed.as_object_mut().map(|table| table.remove("policy"));
        Ok(filed)
    };
    Ok(filed(&known.agreement)? == filed(text)?)
}

/// Opens the core's state of an agreement on a day.
///
/// # Errors
/// The calendar that the terms name is not configured.
pub fn open(agreement: &Agreement, calendars: &Calendars, day: jiff::civil::Date) -> Result<Contract, String> {
    let name = agreement.terms.calendar();
    let calendar =
        calendars.get(name).ok_or_else(|| format!("calendar: {name:?} is not configured: add [calendars.{name}]"))?;
    Contract::open(agreement.terms.clone(), agreement.policy.clone(), calendar.clone(), day)
        .map_err(|error| error.to_string())
}

/// Reads terms and options out of a tree.
///
/// # Errors
/// Every problem, one a line.
pub fn read(env: &Environment, mut value: Value) -> Result<Agreement, Refusal> {
    let options = value.as_object_mut().and_then(|table| table.remove("milestoned")).unwrap_or_default();
    let options: Options = match options {
        Value::Null => Options::default(),
        options => serde_path_to_error::deserialize(options)
            .map_err(|error| Refusal::Invalid(format!("milestoned.{}: {}", error.path(), error.inner())))?,
    };
    if let Some(owner) = &options.owner {
        let taken = mail_address(owner).map_err(|reason| format!("{owner:?}: {reason}; write name@example.com"));
        let taken = taken.and_then(|()| match &env.settings.mail {
            Some(mail) => mail.takes(owner).map_err(|problem| format!("{}; {}", problem.reason, problem.remedy)),
            None => Ok(()),
        });
        taken.map_err(|reason| Refusal::Invalid(format!("milestoned.owner: {reason}")))?;
    }
    let terms = Terms::from_value(value, &env.calendars).map_err(|errors| Refusal::Invalid(errors.to_string()))?;
    if options.approvals.and_then(|own| own.second_over).is_some_and(|limit| limit.0.is_sign_negative()) {
        return Err(Refusal::Invalid("milestoned.approvals.second_over: is negative".into()));
    }
    let policy = policy(env, &options, terms.currency()).map_err(|errors| Refusal::Invalid(errors.to_string()))?;
    let erp = options.erp.clone().or_else(|| env.settings.agreements.erp.clone()).ok_or_else(|| {
        Refusal::Invalid("milestoned.erp: name the connection that gets the invoices, or set agreements.erp".into())
    })?;
    if env.registry.get(&erp).is_none_or(|entry| !entry.connection.takes_documents()) {
        return Err(Refusal::Invalid(format!("milestoned.erp: {erp:?} is no ERP connection of the configuration")));
    }
    Ok(Agreement { terms, options, policy, erp })
}

/// The review policy of a contract: its own, over what the company's says beside; never less than the company's.
fn policy(env: &Environment, options: &Options, currency: Currency) -> Result<Policy, TermsErrors> {
    let company = env.settings.policy.clone();
    let floor = Policy::from_value(company.clone(), currency)?;
    let Some(own) = options.policy.clone() else { return Ok(floor) };
    let merged = match (company, own) {
        (Value::Object(mut company), Value::Object(own)) => {
            company.extend(own);
            Value::Object(company)
        }
        (_, own) => own,
    };
    let policy = Policy::from_value(merged, currency)?;
    let below = policy.below(&floor);
    let below: Vec<Problem> = below.into_iter().map(|problem| problem.inside("milestoned")).collect();
    if below.is_empty() { Ok(policy) } else { Err(TermsErrors(below)) }
}

/// An owner gets mail.
fn mail_address(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("it has characters that cannot be printed".into());
    }
    text.parse::<lettre::message::Mailbox>().map(drop).map_err(|error| error.to_string())
}

async fn order_of(env: &Environment, contract: String, mut value: Value, now: Timestamp) -> Result<Examined, Refusal> {
    let Some(row) = env.store.contract(contract.clone()).await? else { return Err(Refusal::Unknown(contract)) };
    let at = match value.as_object_mut().and_then(|table| table.remove("at")) {
        None => None,
        Some(at) => Some(serde_json::from_value(at).map_err(|error| Refusal::Invalid(format!("at: {error}")))?),
    };
    let identity = amendment_identity(&value, at);
    let mut problems = identifiers::problems(&value);
    let agreement: Agreement = parse("contract", "agreement", &row.id, &row.agreement)?;
    problems.extend(refused_by(env, &agreement.erp, &contract, &value));
    let filed = value.clone();
    let on = match value.as_object_mut().and_then(|table| table.remove("on")) {
        None => None,
        Some(on) => Some(serde_json::from_value(on).map_err(|error| Refusal::Invalid(format!("on: {error}")))?),
    };
    let amendment: Amendment = serde_path_to_error::deserialize(value)
        .map_err(|error| Refusal::Invalid(format!("{}: {}", error.path(), error.inner())))?;
    if env.store.fact_by_identity(contract.clone(), identity.clone()).await?.is_some() {
        // A caller who got no answer sends the same change order again. It is known by its identity; checked again it
        // would be refused, because its version is no longer the next.
        return Ok(Examined::Known(Filed::Amended(contract)));
    }
    let version = amendment.version;
    match env.store.order_state(contract.clone(), identity.clone()).await? {
        Some(OrderState::Refused) => return Err(Refusal::Refused { contract, version }),
        Some(OrderState::Waiting) => return Ok(Examined::Known(Filed::Waits(contract))),
        Some(OrderState::Approved | OrderState::Free) => return Ok(Examined::Known(Filed::Amended(contract))),
        None => {}
    }
    problems.extend(alike_added(&parse("contract", "state", &row.id, &row.state)?, &filed));
    well_named(problems)?;
    let fact = Fact { on, ..Fact::of(at.unwrap_or(now), Event::Amended(amendment)) };
    check(&row, &fact)?;
    Ok(Examined::Order(Box::new(Order { row, fact, identity })))
}

/// Milestones that a change order brings in, and whose ids differ from one that is there in case alone.
fn alike_added(state: &Contract, filed: &Value) -> Vec<Problem> {
    let known = state.milestones();
    let added = filed.get("add").and_then(Value::as_array).into_iter().flatten().enumerate();
    let alike = added.filter_map(|(index, item)| {
        let id = item.get("id")?.as_str()?;
        let other = known.iter().find(|view| view.id != id && view.id.to_lowercase() == id.to_lowercase())?;
        let reason = identifiers::differs_in_case(id, &other.id);
        Some(FileKind::of(filed).problem(format!("add[{index}].id"), reason))
    });
    alike.collect()
}

/// Takes a change order: it becomes a fact at once, or waits for an approval.
async fn take(env: &Environment, order: Order, actor: &Actor, now: Timestamp) -> Result<Filed, Refusal> {
    let Order { row, fact, identity } = order;
    let agreement: Agreement = parse("contract", "agreement", &row.id, &row.agreement)?;
    let state: Contract = parse("contract", "state", &row.id, &row.state)?;
    let stake = match &fact.event {
        Event::Amended(amendment) => state.at_stake(amendment),
        _ => state.total(),
    };
    let customer = customer_brought(&fact).unwrap_or_else(|| state.terms().customer().to_owned());
    let (version, contract) = (order_version(&fact), row.id);
    let says = format!(
        "version {version} puts {} {} at stake, and takes no effect before it is approved",
        grouped(&stake.to_string()),
        stake.currency()
    );
    let line = Entry::by(actor, Action::ChangeOrderWaits, Some(&contract), format!("version {version}"), says);
    let fact = NewFact { contract: contract.clone(), identity, fact, actor: actor.clone() };
    let mut order = FiledOrder { fact, customer, stake, waits: false };
    let waits = loop {
        let (waits, sums) = order_waits(env, &agreement, &state, (&order.fact.fact, stake), now).await?;
        order.waits = waits;
        match env.store.judged_by(sums).file_order(order.clone(), line.clone(), now).await {
            // Somebody has put something at stake meanwhile, which counts with it.
            Err(StoreError::Overtaken) => {}
            filed => break filed.map(|_| waits)?,
        }
    };
    tracing::info!(contract, %actor, waits, "change order taken");
    Ok(if waits { Filed::Waits(contract) } else { Filed::Amended(contract) })
}

/// Whether a change order needs an approval, by the contract's policy or by the company's, as it is now: what change orders of
/// the contract, of its customers, or of the one whom it brings in, have put at stake within the window of approvals counts with it.
async fn order_waits(
    env: &Environment,
    agreement: &Agreement,
    state: &Contract,
    (order, stake): (&Fact, Money),
    now: Timestamp,
) -> Result<(bool, Sums), Refusal> {
    let company = Policy::from_value(env.settings.policy.clone(), stake.currency());
    let company = company.map_err(|errors| Refusal::Invalid(errors.to_string()))?;
    let since = env.settings.approvals.since(state.terms(), now);
    let whose = Whose { contract: agreement.terms.id().to_owned(), brought: Vec::from_iter(customer_brought(order)) };
    let sums = env.store.sums(whose, since).await?;
    let staked = sums.staked.iter().filter(|(.., amount)| amount.currency() == stake.currency());
    let before: Minor = staked.map(|(.., amount)| amount.units()).sum();
    let counted = stake.currency().money(before + stake.units());
    let asked_for = agreement.policy.asks_for(counted) || company.asks_for(counted);
    Ok((stake.minor() > 0 && asked_for, sums))
}

/// Ids and texts of what is filed for the first time; what was filed before goes on.
fn well_named(problems: Vec<Problem>) -> Result<(), Refusal> {
    if problems.is_empty() { Ok(()) } else { Err(Refusal::Invalid(TermsErrors(problems).to_string())) }
}

fn refused_by(env: &Environment, erp: &str, contract: &str, filed: &Value) -> Vec<Problem> {
    let entry = env.registry.get(erp);
    entry.map(|entry| erp_problems((erp, &entry.connection), contract, filed)).unwrap_or_default()
}

/// What an ERP would refuse of a contract or change order at delivery, when ids can be changed no more.
pub fn erp_problems((erp, connection): (&str, &Connection), contract: &str, filed: &Value) -> Vec<Problem> {
    let name = filed.get("customer").and_then(Value::as_str);
    let reason = name.and_then(|name| connection.customer_problem(name));
    let mut found: Vec<Problem> =
        reason.map(|reason| FileKind::of(filed).problem("customer", reason)).into_iter().collect();
    let most = connection.number_length();
    found.extend(most.map(|most| long_numbers(erp, most, contract, filed)).unwrap_or_default());
    found
}

/// Milestones that come in, and whose documents would bear a longer number than an ERP takes.
pub fn long_numbers(erp: &str, most: usize, contract: &str, filed: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    for list in ["milestones", "add"] {
        for (index, value) in filed.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
            let Some(id) = value.get("id").and_then(Value::as_str) else { continue };
            let billed = value.get("billable").and_then(Value::as_bool).unwrap_or(true);
            let number = format!("{contract}-{id}{CORRECTION}");
            let length = number.chars().count();
            if billed && length > most {
                let reason = format!(
                    "a correction of its invoice would be called {number}, which has {length} characters, and {erp} takes {most}"
                );
                found.push(Problem::new(
                    format!("{list}[{index}].id"),
                    reason,
                    "give the contract or the milestone a shorter id",
                ));
            }
        }
    }
    found
}

/// Whether a fact can be understood with the terms that its contract has now.
///
/// # Errors
/// Field and reason.
pub fn check(known: &ContractRow, fact: &Fact) -> Result<(), Refusal> {
    let state: Contract = serde_json::from_str(&known.state).map_err(|source| StoreError::Corrupt {
        table: "contract",
        column: "state",
        row: known.id.clone(),
        source,
    })?;
    state.check(fact).map_err(|problem| Refusal::Invalid(problem.said()))
}
