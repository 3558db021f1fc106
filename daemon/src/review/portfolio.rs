//! What people and programs see of contracts: one set of views for command line, API, pages and demo.

use std::collections::BTreeMap;

use milestoned_documents::amendment::{Earlier, EarlierMilestone};
use milestoned_mapping::contract::{Approval, Code, Contract, IssuedDocument, MilestoneStatus, MilestoneView};
use milestoned_mapping::fact::Shown;
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::described::{MilestoneBody, ReportBody};
use super::item::{Amount, RecordName, amount_of};
use super::line::Brief;
use super::names::Names;
use super::queue::{meaning, reason, records};
use super::snapshot::Snapshot;
use super::standing::{Seen, Standing};
use crate::agreements::Addressee;
use crate::engine;
use crate::environment::Environment;
use crate::store::contracts::ContractRow;
use crate::store::outbox::{Delivery, describe};
use crate::store::review::Undelivered;
use crate::store::views::{DocumentView, ExceptionView};
use crate::store::vocabulary::{CommandKind, DeliveryState};
use crate::store::{StoreError, parse};

/// Contracts of a page; a state takes kilobytes, and nobody reads more lines.
pub const AT_ONCE: usize = 500;

/// One contract in a line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Summary {
    /// Contract id.
    pub contract: String,
    /// Customer.
    pub customer: String,
    /// ERP connection.
    pub erp: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Transaction price.
    pub total: String,
    /// Invoices less credit memos, as decided.
    pub billed: String,
    /// Invoices less credit memos that the ERP has taken and does not show as not posted, or a person has written there.
    pub in_erp: String,
    /// Total less billed.
    pub remaining: String,
    /// Recognised revenue.
    pub recognised: String,
    /// Deferred revenue.
    pub deferred: String,
    /// Open exceptions that hold something back.
    pub blocking: usize,
    /// Open exceptions that only tell, and drifts.
    pub warnings: usize,
    /// Milestones whose invoice waits for an approval.
    pub to_approve: usize,
}

/// One contract in full.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContractView {
    /// Summary line.
    pub summary: Summary,
    /// The report of section 9 of the rules: what is decided.
    #[schema(value_type = ReportBody)]
    pub report: Value,
    /// Milestones with dates, what holds them, and where their documents stand.
    #[schema(value_type = Vec<MilestoneBody>)]
    pub milestones: Vec<MilestoneLine>,
    /// Documents with deliveries.
    pub documents: Vec<DocumentLine>,
    /// Exceptions with remedies, closed ones too.
    pub exceptions: Vec<Remedied>,
    /// Deliveries.
    pub deliveries: Vec<Delivery>,
}

/// A milestone, and where its billing stands.
#[derive(Debug, Clone, Serialize)]
pub struct MilestoneLine {
    /// The milestone, as decided.
    #[serde(flatten)]
    pub milestone: MilestoneView,
    /// Where its documents stand in the ERP, the least settled of them; absent before the first.
    pub standing: Option<Standing>,
    /// How far it has come, in words that tell decided from done.
    pub state: String,
    /// What an approval would be of, while it is not invoiced.
    pub shown: Option<Shown>,
}

impl MilestoneLine {
    /// Whether an approval is asked for, or would let go on what is held.
    pub fn may_be_approved(&self) -> bool {
        let released = [Code::HeldByReviewer, Code::InvoiceWithdrawn].map(Code::name);
        matches!(self.milestone.approval, Approval::Later | Approval::Waits { .. })
            || self.milestone.blocked_by.iter().any(|code| released.contains(&code.as_str()))
    }
}

/// A document, and where it stands in the ERP.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DocumentLine {
    /// The document, as decided.
    #[serde(flatten)]
    pub document: DocumentView,
    /// Where it stands.
    pub standing: Standing,
    /// What the ERP has added to the amount as tax, where a poll has shown it.
    pub tax: Option<String>,
}

impl From<DocumentView> for DocumentLine {
    fn from(document: DocumentView) -> Self {
        // A document of ours is put into the outbox in the transaction that decides it; one without a delivery was
        // adopted.
        let standing = match document.delivery {
            Some(state) => Standing::of(
                state,
                Seen { confirmed: document.confirmed, unposted: document.unposted, by_hand: document.by_hand },
            ),
            None => Standing::Adopted,
        };
        Self { standing, document, tax: None }
    }
}

/// An exception with what to do about it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Remedied {
    /// The exception.
    #[serde(flatten)]
    pub exception: ExceptionView,
    /// What the code means.
    pub title: &'static str,
    /// Why it is open: what the code means, the values that differ, the records that show them.
    pub reason: String,
    /// What to do.
    pub remedy: &'static str,
    /// The records that show what was seen.
    pub records: Vec<RecordName>,
}

/// A write that would be made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlannedWrite {
    /// Contract.
    pub contract: String,
    /// Connection.
    pub target: String,
    /// Kind.
    pub kind: CommandKind,
    /// Number or record.
    pub subject: String,
    /// Amount and currency, where there is one.
    #[serde(serialize_with = "in_one_text")]
    #[schema(value_type = Option<String>)]
    pub amount: Option<Amount>,
    /// Idempotency key.
    pub key: String,
    /// `pending`, `unknown` (the remote is asked first) or `new` (not decided yet).
    pub state: String,
}

/// The core's state of a stored contract.
///
/// # Errors
/// The row cannot be read.
pub fn state(row: &ContractRow) -> Result<Contract, StoreError> {
    parse("contract", "state", &row.id, &row.state)
}

/// The core's states of stored contracts, in the order of their ids.
///
/// # Errors
/// The store failed, or a row cannot be read.
pub async fn states(env: &Environment, ids: &[String]) -> Result<Vec<Contract>, StoreError> {
    let mut states = Vec::with_capacity(ids.len());
    for some in ids.chunks(AT_ONCE) {
        for row in env.store.contracts_of(some.to_vec()).await? {
            states.push(state(&row)?);
        }
    }
    Ok(states)
}

/// A contract with the ERP that its books are told to.
#[derive(Debug, Clone)]
pub struct Booked {
    /// Its state.
    pub state: Contract,
    /// ERP connection.
    pub erp: String,
    /// Who looks after it, as it was filed.
    pub owner: Option<String>,
}

impl Booked {
    fn of(row: &ContractRow) -> Result<Self, StoreError> {
        let agreement: Addressee = parse("contract", "agreement", &row.id, &row.agreement)?;
        Ok(Self { state: state(row)?, erp: agreement.erp, owner: agreement.options.owner })
    }
}

/// Contracts after this id with their ERPs, by id, as many as are read at once; none: there are no more.
///
/// # Errors
/// The store failed.
pub async fn booked_after(env: &Environment, after: &str) -> Result<Vec<Booked>, StoreError> {
    let rows = env.store.contracts_after(after.to_owned(), AT_ONCE).await?;
    rows.iter().map(Booked::of).collect()
}

/// Some contracts with their ERPs, by id.
///
/// # Errors
/// The store failed.
pub async fn booked_of(env: &Environment, ids: &[String]) -> Result<Vec<Booked>, StoreError> {
    let mut all = Vec::with_capacity(ids.len());
    for some in ids.chunks(AT_ONCE) {
        for row in env.store.contracts_of(some.to_vec()).await? {
            all.push(Booked::of(&row)?);
        }
    }
    Ok(all)
}

/// A contract as an amendment is compared with it; `None`: it is not known.
///
/// # Errors
/// The database failed.
pub async fn earlier(env: &Environment, id: &str) -> Result<Option<Earlier>, StoreError> {
    let Some(row) = env.store.contract(id.to_owned()).await? else { return Ok(None) };
    let contract = state(&row)?;
    let milestones = contract
        .milestones()
        .into_iter()
        .map(|milestone| EarlierMilestone {
            id: milestone.id.clone(),
            name: milestone.name.clone(),
            amount: milestone.amount.decimal(),
        })
        .collect();
    Ok(Some(Earlier { contract: id.to_owned(), total: contract.total().decimal(), milestones }))
}

/// Every contract in a line.
///
/// # Errors
/// The store failed.
pub async fn summaries(env: &Environment) -> Result<Vec<Summary>, StoreError> {
    let mut all: Vec<Summary> = Vec::new();
    loop {
        let after = all.last().map(|last| last.contract.clone()).unwrap_or_default();
        let some = summaries_after(env, after, AT_ONCE).await?;
        let more = some.len() == AT_ONCE;
        all.extend(some);
        if !more {
            return Ok(all);
        }
    }
}

/// Contracts after this id in a line each, at most so many.
///
/// # Errors
/// The store failed.
pub async fn summaries_after(env: &Environment, after: String, limit: usize) -> Result<Vec<Summary>, StoreError> {
    let rows = env.store.contracts_after(after, limit).await?;
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let drifts = env.store.drifts(ids.clone()).await?;
    let missing = env.store.undelivered(Some(ids)).await?;
    let missing = by_contract(&missing);
    let summary = |row: &ContractRow| {
        let missing = missing.get(row.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        summary(row, &state(row)?, drifts.get(&row.id).copied().unwrap_or_default(), missing)
    };
    rows.iter().map(summary).collect()
}

/// A contract in a line. `missing`: its documents that the ERP has not got.
fn summary(
    row: &ContractRow,
    contract: &Contract,
    drifts: usize,
    missing: &[&Undelivered],
) -> Result<Summary, StoreError> {
    Ok(Brief::of(row, contract, drifts, missing, &mut Names::default())?.summary())
}

/// Documents that their ERP has not got, by contract.
pub(super) fn by_contract(missing: &[Undelivered]) -> BTreeMap<&str, Vec<&Undelivered>> {
    let mut sorted: BTreeMap<&str, Vec<&Undelivered>> = BTreeMap::new();
    for undelivered in missing {
        sorted.entry(&undelivered.contract).or_default().push(undelivered);
    }
    sorted
}

/// One contract in full; `None`: not known.
///
/// # Errors
/// The store failed.
pub async fn contract(env: &Environment, id: &str) -> Result<Option<ContractView>, StoreError> {
    let Some(row) = env.store.contract(id.to_owned()).await? else { return Ok(None) };
    let contract = state(&row)?;
    let documents = documents(env, &contract).await?;
    let drifts = env.store.drifts(vec![id.to_owned()]).await?.remove(id).unwrap_or_default();
    let missing = env.store.undelivered(Some(vec![id.to_owned()])).await?;
    Ok(Some(ContractView {
        summary: summary(&row, &contract, drifts, &missing.iter().collect::<Vec<_>>())?,
        report: serde_json::to_value(contract.report()).unwrap_or_default(),
        milestones: milestones(&contract, &documents),
        documents,
        exceptions: remedied(env, Some(vec![id.to_owned()]), false).await?,
        deliveries: env.store.deliveries(Some(id.to_owned()), &[]).await?,
    }))
}

/// Documents of a contract, each with where it stands in the ERP.
///
/// # Errors
/// The store failed.
pub async fn documents(env: &Environment, contract: &Contract) -> Result<Vec<DocumentLine>, StoreError> {
    let id = contract.terms().id();
    let mut documents: Vec<DocumentLine> =
        env.store.documents(Some(id.to_owned())).await?.into_iter().map(DocumentLine::from).collect();
    for line in documents.iter_mut().filter(|line| line.standing.is_there()) {
        let replaced = |document: &IssuedDocument| document.number == line.document.number && document.withdrawn;
        if contract.documents().iter().any(replaced) {
            line.standing = Standing::Replaced;
        }
    }
    let taxes = env.store.taxes(id.to_owned()).await?;
    for line in &mut documents {
        let currency = line.document.amount.currency();
        let tax = taxes.get(&line.document.number).and_then(|tax| currency.from_decimal(tax.0));
        line.tax = tax.filter(|tax| tax.minor() != 0).map(|tax| tax.to_string());
    }
    Ok(documents)
}

/// Documents of some contracts, each with where it stands in the ERP, by contract.
///
/// # Errors
/// The store failed.
pub async fn documents_of(
    env: &Environment,
    snapshot: &Snapshot,
    contracts: &[String],
) -> Result<Vec<DocumentLine>, StoreError> {
    let mut lines: Vec<DocumentLine> =
        env.store.documents_of(contracts.to_vec()).await?.into_iter().map(DocumentLine::from).collect();
    for line in lines.iter_mut().filter(|line| line.standing.is_there()) {
        let contract = snapshot.contracts.get(line.document.contract.as_str());
        if contract.is_some_and(|contract| contract.measures.withdrawn.contains(&line.document.number)) {
            line.standing = Standing::Replaced;
        }
    }
    Ok(lines)
}

fn milestones(contract: &Contract, documents: &[DocumentLine]) -> Vec<MilestoneLine> {
    let line = |milestone: MilestoneView| {
        let counts =
            |number: &str| contract.documents().iter().any(|document| document.number == number && !document.withdrawn);
        let own =
            documents.iter().filter(|line| line.document.milestone == milestone.id && counts(&line.document.number));
        let standing = own.map(|line| line.standing).min();
        let shown = contract.shown(&milestone.id).filter(|_| milestone.invoiced_on.is_none());
        MilestoneLine { state: in_words(&milestone, standing), standing, shown, milestone }
    };
    contract.milestones().into_iter().map(line).collect()
}

/// How far a milestone has come. What is decided and what the ERP has are different words.
fn in_words(milestone: &MilestoneView, standing: Option<Standing>) -> String {
    let is_held = |code: Code| milestone.blocked_by.iter().any(|held| held == code.name());
    if is_held(Code::InvoiceWithdrawn) {
        return "invoice withdrawn".into();
    }
    if is_held(Code::HeldByReviewer) {
        return "held by a reviewer".into();
    }
    match (milestone.status, standing, milestone.approval) {
        (MilestoneStatus::Invoiced, Some(standing), _) => match standing {
            Standing::Confirmed => "invoiced, in the ERP".into(),
            Standing::Sent | Standing::ByHand | Standing::Adopted => format!("invoiced, {standing}"),
            Standing::Decided => "invoice decided, not sent".into(),
            other => format!("invoice {other}"),
        },
        (
            MilestoneStatus::Accepted | MilestoneStatus::Pending | MilestoneStatus::Submitted,
            _,
            Approval::Waits { .. },
        ) => "waits for approval".into(),
        (status, ..) => status.to_string(),
    }
}

/// Exceptions of some contracts or of all, open ones or closed ones too, with what to do about them.
///
/// # Errors
/// The store failed.
pub async fn remedied(
    env: &Environment,
    contracts: Option<Vec<String>>,
    open: bool,
) -> Result<Vec<Remedied>, StoreError> {
    let rows = env.store.exceptions(contracts.clone(), open).await?;
    let shown_by = env.store.shown_by(contracts).await?;
    let remedied = rows.into_iter().map(|exception| {
        let (title, remedy) = meaning(&exception.code);
        let records = match exception.closed_on {
            None => records(&env.registry, &exception, &shown_by),
            Some(_) => Vec::new(),
        };
        Remedied { title, reason: reason(title, &exception, &records), remedy, records, exception }
    });
    Ok(remedied.collect())
}

/// Every write that would be made now: what waits in the outbox, and what a decision would add.
///
/// # Errors
/// The store failed.
pub async fn plan(env: &Environment) -> Result<Vec<PlannedWrite>, StoreError> {
    let mut writes: Vec<PlannedWrite> = env
        .store
        .deliveries(None, &[DeliveryState::Pending, DeliveryState::Unknown, DeliveryState::Sending])
        .await?
        .into_iter()
        .map(|delivery| PlannedWrite {
            amount: delivery.command.as_ref().and_then(amount_of),
            contract: delivery.contract,
            target: delivery.target,
            kind: delivery.kind,
            subject: delivery.subject,
            key: delivery.key,
            state: delivery.state.to_string(),
        })
        .collect();
    for landing in engine::preview(env).await? {
        for posting in landing.postings {
            let (kind, subject) = describe(&posting.command);
            let key = posting.key.to_string();
            if writes.iter().any(|write| write.key == key) {
                continue;
            }
            writes.push(PlannedWrite {
                contract: landing.contract.clone(),
                target: posting.target,
                kind,
                subject,
                amount: amount_of(&posting.command),
                key,
                state: "new".into(),
            });
        }
    }
    Ok(writes)
}

#[expect(clippy::ref_option, reason = "serde hands the field over so")]
fn in_one_text<S: Serializer>(amount: &Option<Amount>, serializer: S) -> Result<S::Ok, S::Error> {
    match amount {
        Some(Amount { amount, currency }) => serializer.collect_str(&format_args!("{amount} {currency}")),
        None => serializer.serialize_none(),
    }
}
