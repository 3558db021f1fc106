//! Rows of the workbook: terms and milestones with all legs beside each other, what waits for people, receivables, what remains,
//! the roll-forward of each month, and what change orders have changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use milestoned_identity::rights::{Right, Rights};
use milestoned_mapping::contract::{Beside, Contract};
use milestoned_mapping::fact::{Fact, Leg};
use milestoned_mapping::money::Money;
use milestoned_workbook::book::{Book, Column, Kind, Row, Sheet};
use milestoned_workbook::cell::Cell;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::import::PARAMETERS;
use crate::environment::Environment;
use crate::progress::Progress;
use crate::report::export::rules_version;
use crate::review::bulk;
use crate::review::entry::Entry;
use crate::review::item::Item;
use crate::review::listing;
use crate::review::portfolio;
use crate::review::queue::{titles_and_codes, whole};
use crate::review::snapshot::{Snapshot, utc_date};
use crate::review::subject::Subject;
use crate::review::verb::Verb;
use crate::store::StoreError;
use crate::store::actor::Actor;
use crate::store::contracts::ContractRow;

/// Contracts whose states are read at once.
const AT_ONCE: usize = 256;
/// Sheet of the contracts' own terms.
pub const TERMS: &str = "Terms";
/// Sheet of the milestones.
pub const MILESTONES: &str = "Milestones";
/// Column of acts.
pub const ACTION: &str = "Action";
/// Column of who is to look after something.
pub const ASSIGN_TO: &str = "Assign to";
/// What a contract's key begins with.
pub const OF_TERMS: &str = "terms:";
/// What a milestone's key begins with.
pub const OF_MILESTONE: &str = "milestone:";

/// A column of terms that may be edited, and the field of a change order that it becomes.
pub struct Field {
    /// Head of the column.
    pub head: &'static str,
    /// Name in a change order.
    pub name: &'static str,
    kind: fn() -> Kind,
}

const fn field(head: &'static str, name: &'static str, kind: fn() -> Kind) -> Field {
    Field { head, name, kind }
}

fn choice(words: &[&str]) -> Kind {
    Kind::Choice(words.iter().map(|word| (*word).to_owned()).collect())
}

/// Fields of a contract's own terms.
pub const OF_CONTRACT: [Field; 8] = [
    field("Customer", "customer", || Kind::Text),
    field("Total", "total", || Kind::Amount),
    field("Cap", "cap", || Kind::Amount),
    field("PO number", "po_number", || Kind::Text),
    field("Payment terms", "payment_terms", || Kind::Text),
    field("Due from", "payment_terms_from", || choice(&["invoice", "acceptance"])),
    field("Billing-cycle day", "billing_cycle_day", || Kind::Count),
    field("Acceptance in part", "partial_acceptance", || choice(&["yes", "no"])),
];

/// Fields of a milestone.
pub const OF_A_MILESTONE: [Field; 8] = [
    field("Name", "name", || Kind::Text),
    field("Description", "description", || Kind::Text),
    field("Amount", "amount", || Kind::Amount),
    field("PO number", "po_number", || Kind::Text),
    field("Payment terms", "payment_terms", || Kind::Text),
    field("Approver", "approver", || Kind::Text),
    field("Window days", "window_days", || Kind::Count),
    field("Trigger date", "trigger_date", || Kind::Date),
];

/// Who asks for a workbook.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Their name.
    pub name: String,
    /// What they may do: it decides which acts the workbook offers.
    pub rights: Rights,
}

impl Asker {
    /// Who it is, as the audit trail names them.
    pub fn actor(&self) -> Actor {
        Actor::from(&self.name)
    }

    /// The acts that a list of the workbook offers them.
    fn acts(&self, verbs: &[Verb]) -> Kind {
        let may = verbs.iter().filter(|verb| self.rights.has(verb.right()));
        Kind::Choice(may.map(|verb| verb.name().to_owned()).collect())
    }
}

/// Ids of the contracts whose id or customer contains a text.
///
/// # Errors
/// The store failed.
pub async fn chosen(env: &Environment, snapshot: &Snapshot, text: &str) -> Result<Vec<String>, StoreError> {
    let found = listing::contracts(env, snapshot, text).await?;
    Ok(found.into_iter().map(|brief| brief.contract.to_string()).collect())
}

/// The whole workbook of the contracts that were chosen by a text.
///
/// # Errors
/// The store failed.
pub async fn book(
    env: &Environment,
    snapshot: &Snapshot,
    asker: &Asker,
    (text, chosen): (&str, &[String]),
    progress: &Progress,
) -> Result<Book, StoreError> {
    let everything = text.trim().is_empty();
    let concerns = |item: &&Arc<Entry>| match &item.contract {
        Some(id) => chosen.binary_search_by(|chosen| (**chosen).cmp(&**id)).is_ok(),
        None => everything,
    };
    let items: Vec<Arc<Entry>> = snapshot.items.iter().filter(concerns).cloned().collect();
    let items = whole(env, &items).await?;
    let mut sheets = of_contracts(env, snapshot, chosen, progress).await?;
    let today = utc_date(env.clock.now());
    let remaining = sheets.split_off(2);
    sheets.extend(of_items(&items, asker, today));
    if let Some(to_bill) = sheets.get_mut(2) {
        to_bill.rows.extend(by_date(snapshot, text, today));
    }
    sheets.extend(remaining);
    let filter =
        if everything { "all contracts".to_owned() } else { format!("contracts with {text:?} in id or customer") };
    let mut about = vec![
        ("Source".to_owned(), format!("{}, audit line {}", env.settings.http.public_url, snapshot.audit)),
        ("Filter".into(), filter),
        (PARAMETERS.into(), text.to_owned()),
        ("Version of the rules".into(), rules_version()),
    ];
    for sheet in &sheets {
        about.push((format!("Rows of {}", sheet.name), sheet.rows.len().to_string()));
        about.extend(sums(sheet));
    }
    about.push(("Time, UTC".into(), env.clock.now().strftime("%Y-%m-%d %H:%M:%S").to_string()));
    about.push(("Asked by".into(), asker.name.clone()));
    Ok(Book { about, instructions: instructions(asker), sheets })
}

/// What holds now in rows of these contracts and of everything that waits, for a workbook that came back.
///
/// # Errors
/// The store failed.
pub async fn standing(
    env: &Environment,
    snapshot: &Snapshot,
    asker: &Asker,
    contracts: &[String],
) -> Result<Book, StoreError> {
    let mut sheets = of_contracts(env, snapshot, contracts, &Progress::default()).await?;
    sheets.truncate(2);
    sheets.extend(of_items(&whole(env, &snapshot.items).await?, asker, utc_date(env.clock.now())));
    Ok(Book { about: Vec::new(), instructions: Vec::new(), sheets })
}

/// The milestones of contracts as rows of that sheet, with all legs beside each other.
///
/// # Errors
/// The store failed.
pub async fn milestones_of(
    env: &Environment,
    snapshot: &Snapshot,
    contracts: &[String],
) -> Result<Vec<Row>, StoreError> {
    let mut all = Vec::new();
    for row in &env.store.contracts_of(contracts.to_vec()).await? {
        // What cannot be read is told by `milestoned doctor`; it holds up no list.
        if let Ok(contract) = portfolio::state(row) {
            all.extend(ContractRows { row, contract: &contract, snapshot }.milestones());
        }
    }
    Ok(all)
}

fn instructions(asker: &Asker) -> Vec<String> {
    let may = |right: Right| asker.rights.has(right);
    let mut said = vec![
        "Edit the blue columns, in any order; sort and filter as you like. Bring the file back on the page Workbook, or with \
         `milestoned workbook import`: it shows what would follow before anything is done."
            .to_owned(),
        "Terms and Milestones: each contract in which you edit terms gets one change order with your edits, filed in your name \
         like a file. It holds once both have signed it: say so when you confirm. Whoever files terms approves nothing of them."
            .into(),
        "To bill and Exceptions: choose an act in the column Action; with assign, write in Assign to who is to look after it. \
         An approval is of what this workbook shows: where anything of it has changed since, it is not taken."
            .into(),
        "Nothing is overwritten. A cell that somebody else has changed since this export is left as they left it, and comes \
         back with a note: who, when, and what it says now."
            .into(),
        "Rows and columns that you delete say nothing: nothing is deleted by it. An emptied cell takes nothing back. Keep the \
         column Key: rows are known by it. A row with a new key is left out; milestones are added by a change order."
            .into(),
        "Amounts are in the currency of their row. One with more than 15 digits stands as text, because a spreadsheet would \
         round it. Dates are written as 2026-03-31. Formulas are not taken: paste their values."
            .into(),
    ];
    if !may(Right::FileTerms) {
        said.push("You may not file terms: edits of Terms and Milestones will be refused.".into());
    }
    if !may(Right::Approve) {
        said.push("You may not approve or hold: the lists offer what you may do.".into());
    }
    said
}

/// Sums of a sheet's amounts, where its rows say in which currency; not of what is held, for several rows may hold one invoice.
fn sums(sheet: &Sheet) -> Vec<(String, String)> {
    let Some(currency) = sheet.columns.iter().position(|column| column.name == "Currency") else { return Vec::new() };
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for row in &sheet.rows {
        let Some(code) = row.cells.get(currency).map(Cell::compared) else { continue };
        for (column, cell) in sheet.columns.iter().zip(&row.cells) {
            if let (Cell::Amount(text), true) = (cell, column.name != "Held") {
                let sum = sums.entry(format!("Sum of {} of {}, {code}", column.name, sheet.name)).or_default();
                *sum = sum.saturating_add(text.parse().unwrap_or_default());
            }
        }
    }
    sums.into_iter().map(|(of, sum)| (of, sum.to_string())).collect()
}

async fn of_contracts(
    env: &Environment,
    snapshot: &Snapshot,
    ids: &[String],
    progress: &Progress,
) -> Result<Vec<Sheet>, StoreError> {
    let mut sheets = vec![terms(), milestones(), receivables(), remaining(), roll_forward(), changes()];
    for some in ids.chunks(AT_ONCE) {
        for row in env.store.contracts_of(some.to_vec()).await? {
            // What cannot be read is told by `milestoned doctor`; it holds up no export.
            let Ok(contract) = portfolio::state(&row) else { continue };
            let facts = if contract.version() > 1 { facts(env, &row.id).await? } else { Vec::new() };
            let rows = ContractRows { row: &row, contract: &contract, snapshot };
            let all = [
                rows.terms(),
                rows.milestones(),
                rows.receivables(),
                rows.remaining(),
                rows.roll_forward(),
                rows.changes(&facts),
            ];
            for (sheet, rows) in sheets.iter_mut().zip(all) {
                sheet.rows.extend(rows);
            }
        }
        progress.advances(some.len());
    }
    Ok(sheets)
}

async fn facts(env: &Environment, id: &str) -> Result<Vec<Fact>, StoreError> {
    let facts = env.store.decided_facts(id.to_owned()).await?;
    Ok(facts.into_iter().filter_map(|fact| serde_json::from_value(fact.fact).ok()).collect())
}

fn sheet(name: &str, about: &str, columns: Vec<Column>) -> Sheet {
    Sheet { name: name.into(), about: about.into(), columns, rows: Vec::new() }
}

fn shown(kind: &Kind, heads: &[&str]) -> Vec<Column> {
    heads.iter().map(|head| Column::shown(head, kind.clone())).collect()
}

fn edited(fields: &[Field]) -> impl Iterator<Item = Column> {
    fields.iter().map(|field| Column::edited(field.head, (field.kind)()))
}

fn terms() -> Sheet {
    let mut columns = shown(&Kind::Text, &["Contract", "Currency"]);
    columns.extend(edited(&OF_CONTRACT));
    columns.push(Column::shown("Version", Kind::Count));
    columns.extend(shown(&Kind::Text, &["Signed on", "ERP"]));
    columns.extend(shown(
        &Kind::Amount,
        &["Billed, decided", "Billed, in the ERP", "Remaining", "Recognised", "Deferred"],
    ));
    columns.extend(shown(&Kind::Count, &["To approve", "Blocking", "Warnings"]));
    sheet(TERMS, "One row a contract: its own terms as they are in force, and where it stands.", columns)
}

/// Columns of the legs, in the order of [`ContractRows::legs`].
const LEGS: [(&str, &str, Leg); 10] = [
    ("CRM amount", "milestone amount", Leg::Crm),
    ("PSA amount", "milestone amount", Leg::Psa),
    ("ERP amount", "milestone amount", Leg::Erp),
    ("CRM description", "description", Leg::Crm),
    ("PSA description", "description", Leg::Psa),
    ("ERP description", "description", Leg::Erp),
    ("CRM status", "status", Leg::Crm),
    ("PSA status", "status", Leg::Psa),
    ("ERP invoices", "invoiced", Leg::Erp),
    ("ERP revenue", "revenue", Leg::Erp),
];

/// The sheet of the milestones, without rows.
pub fn milestones() -> Sheet {
    let mut columns = shown(&Kind::Text, &["Contract", "Milestone", "Customer", "Currency"]);
    columns.extend(edited(&OF_A_MILESTONE));
    columns.extend(shown(&Kind::Text, &["Status", "Accepted on", "Invoiced on", "Due on", "Held by", "Documents"]));
    columns.extend(LEGS.iter().map(|(head, what, _)| {
        let kind = if *what == "milestone amount" { Kind::Amount } else { Kind::Text };
        Column::shown(head, kind)
    }));
    columns.push(Column::shown("Differs in", Kind::Text));
    sheet(MILESTONES, "One row a milestone: its terms, where it stands, and what each leg says of it.", columns)
}

fn receivables() -> Sheet {
    let heads = ["Invoice", "Contract", "Milestone", "Customer", "ERP", "Date", "Due", "Currency"];
    let mut columns = shown(&Kind::Text, &heads);
    columns.extend(shown(&Kind::Amount, &["Amount", "Credited", "Paid", "Open"]));
    sheet("Receivables", "One row an invoice, with what was credited and paid of it.", columns)
}

fn remaining() -> Sheet {
    let mut columns =
        shown(&Kind::Text, &["Contract", "Customer", "Milestone", "Name", "Status", "Held by", "Currency"]);
    columns.extend(shown(&Kind::Amount, &["Remaining"]));
    sheet("Remaining to bill", "One row a milestone that is not invoiced yet.", columns)
}

fn roll_forward() -> Sheet {
    let mut columns = shown(&Kind::Text, &["Contract", "Customer", "Month", "Currency"]);
    let amounts = [
        "Opening deferred revenue",
        "Billed",
        "Recognised",
        "From contract assets",
        "Closing deferred revenue",
        "Contract asset",
        "Unbilled receivable",
    ];
    columns.extend(shown(&Kind::Amount, &amounts));
    sheet("Roll-forward", "One row a contract and month: how deferred revenue moved.", columns)
}

fn changes() -> Sheet {
    let mut columns = shown(&Kind::Text, &["Contract", "Customer", "Date"]);
    columns.push(Column::shown("Version", Kind::Count));
    columns.extend(shown(&Kind::Text, &["Signed", "What changed"]));
    sheet("Changes", "What each change order has changed, from what to what.", columns)
}

fn to_bill(asker: &Asker) -> Sheet {
    let heads = ["Why", "Contract", "Milestone", "Customer", "ERP", "Date", "Currency"];
    let mut columns = shown(&Kind::Text, &heads);
    columns.extend(shown(&Kind::Amount, &["Amount"]));
    columns.push(Column::shown("Age in days", Kind::Count));
    columns.push(Column::shown("Owner", Kind::Text));
    columns.push(Column::edited(ACTION, asker.acts(&[Verb::Approve, Verb::Hold, Verb::Assign])));
    columns.push(Column::edited(ASSIGN_TO, Kind::Text));
    sheet(
        "To bill",
        "What waits for an approval, and what time alone will bill until the end of the month after next.",
        columns,
    )
}

fn exceptions(asker: &Asker) -> Sheet {
    let heads = ["What", "Contract", "Milestone", "Customer", "ERP", "Leg", "Severity", "Since", "Currency"];
    let mut columns = shown(&Kind::Text, &heads);
    columns.extend(shown(&Kind::Amount, &["Held"]));
    columns.push(Column::shown("Age in days", Kind::Count));
    columns.extend(shown(&Kind::Text, &["Owner", "Next review", "Reason", "What to do", "Note"]));
    columns.push(Column::edited(ACTION, asker.acts(&[Verb::Assign])));
    columns.push(Column::edited(ASSIGN_TO, Kind::Text));
    sheet("Exceptions", "Everything else that waits for a person, with its owner and age.", columns)
}

fn of_items(items: &[Arc<Item>], asker: &Asker, today: Date) -> Vec<Sheet> {
    let (mut to_bill, mut exceptions) = (to_bill(asker), exceptions(asker));
    for item in items {
        let (key, stamp) = (item.subject.to_string(), bulk::stamp(item));
        let held = item.held.as_ref();
        let amount = held.map_or_else(|| Cell::text(""), |held| Cell::Amount(held.amount.clone()));
        let currency = Cell::optional(held.map(|held| &held.currency));
        let named = [Cell::optional(item.contract.as_ref()), Cell::optional(item.milestone.as_ref())];
        let [contract, milestone] = named;
        let (customer, erp) = (Cell::optional(item.customer.as_ref()), Cell::optional(item.erp.as_ref()));
        let (since, age) = (Cell::optional(item.since), Cell::Count(item.age(&today)));
        let owner = Cell::optional(item.mark.owner.as_ref());
        let (action, to) = (Cell::text(""), Cell::text(""));
        if matches!(item.subject, Subject::Approval { .. }) {
            let why = Cell::text("waits for an approval");
            let cells = vec![why, contract, milestone, customer, erp, since, currency, amount, age, owner, action, to];
            to_bill.rows.push(Row { key, stamp, cells });
            continue;
        }
        let (leg, severity) = (Cell::optional(item.leg), Cell::text(item.severity));
        let (reason, remedy) = (Cell::text(&item.problem.reason), Cell::text(&item.problem.remedy));
        let (review, note) = (Cell::optional(item.mark.snoozed_until), Cell::optional(item.mark.note.as_ref()));
        let what = Cell::text(item.title_and_code());
        let cells = vec![
            what, contract, milestone, customer, erp, leg, severity, since, currency, amount, age, owner, review,
            reason, remedy, note, action, to,
        ];
        exceptions.rows.push(Row { key, stamp, cells });
    }
    vec![to_bill, exceptions]
}

/// Documents that time alone will write, as rows of what is to be billed.
fn by_date(snapshot: &Snapshot, text: &str, today: Date) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut month = today.first_of_month();
    for _ in 0..3 {
        for to_come in listing::by_date(listing::to_come(snapshot, text, month), 0..usize::MAX) {
            let (brief, document) = (&to_come.line.brief, to_come.document);
            let cells = vec![
                Cell::text(format!("{} by date", document.kind.name().replace('_', " "))),
                Cell::text(&brief.contract),
                Cell::text(&document.milestone),
                Cell::text(&brief.customer),
                Cell::text(&brief.erp),
                Cell::text(document.date),
                Cell::text(brief.currency),
                amount(to_come.amount()),
                Cell::text(""),
                Cell::text(""),
                Cell::text(""),
                Cell::text(""),
            ];
            rows.push(Row { key: String::new(), stamp: String::new(), cells });
        }
        let Ok(next) = month.last_of_month().tomorrow() else { break };
        month = next;
    }
    rows
}

fn amount(money: Money) -> Cell {
    Cell::Amount(money.to_string())
}

/// What stands in a field of terms.
fn value(field: &Field, fields: &Map<String, Value>) -> Cell {
    match (fields.get(field.name), (field.kind)()) {
        (Some(Value::String(text)), Kind::Amount) => Cell::Amount(text.clone()),
        (Some(Value::String(text)), _) => Cell::text(text),
        (Some(Value::Bool(yes)), _) => Cell::text(if *yes { "yes" } else { "no" }),
        (Some(Value::Number(number)), _) => number.as_i64().map_or_else(|| Cell::text(number), Cell::Count),
        (Some(_) | None, _) => Cell::text(""),
    }
}

/// Name of a milestone's row.
pub fn milestone_key(contract: &str, milestone: &str) -> String {
    let subject = Subject::Approval { contract: contract.into(), milestone: milestone.into() }.to_string();
    let named = subject.split_once(':').map(|(_, named)| named).unwrap_or_default();
    format!("{OF_MILESTONE}{named}")
}

/// Contract and milestone of a row's name; of the contract's own terms without a milestone.
pub fn named_by(key: &str) -> Option<(String, Option<String>)> {
    if let Some(contract) = key.strip_prefix(OF_TERMS) {
        return Some((contract.to_owned(), None));
    }
    let named = key.strip_prefix(OF_MILESTONE)?;
    match format!("approval:{named}").parse() {
        Ok(Subject::Approval { contract, milestone }) => Some((contract, Some(milestone))),
        _ => None,
    }
}

struct ContractRows<'a> {
    row: &'a ContractRow,
    contract: &'a Contract,
    snapshot: &'a Snapshot,
}

impl ContractRows<'_> {
    fn plain(cells: Vec<Cell>) -> Row {
        Row { key: String::new(), stamp: String::new(), cells }
    }

    fn named(&self) -> [Cell; 2] {
        [Cell::text(&self.row.id), Cell::text(self.contract.terms().customer())]
    }

    fn currency(&self) -> Cell {
        Cell::text(self.contract.terms().currency())
    }

    fn terms(&self) -> Vec<Row> {
        let in_force = self.contract.terms_in_force();
        let mut cells = vec![Cell::text(&self.row.id), self.currency()];
        cells.extend(OF_CONTRACT.iter().map(|field| value(field, &in_force)));
        cells.push(Cell::Count(i64::from(self.contract.version())));
        cells.push(Cell::text(self.contract.terms().signed_on()));
        let summary = self.snapshot.contracts.get(self.row.id.as_str()).map(|line| line.brief.summary());
        let summary = summary.as_ref();
        cells.push(Cell::optional(summary.map(|summary| &summary.erp)));
        let position = self.contract.position();
        let in_erp = summary.map_or_else(|| Cell::text(""), |summary| Cell::Amount(summary.in_erp.clone()));
        cells.extend([amount(position.billed), in_erp, amount(self.contract.remaining_to_bill())]);
        cells.extend([amount(position.recognised), amount(position.deferred_revenue)]);
        let count = |count: Option<usize>| Cell::Count(count.and_then(|count| i64::try_from(count).ok()).unwrap_or(0));
        cells.push(count(summary.map(|summary| summary.to_approve)));
        cells.extend([summary.map(|summary| summary.blocking), summary.map(|summary| summary.warnings)].map(count));
        vec![Row { key: format!("{OF_TERMS}{}", self.row.id), stamp: String::new(), cells }]
    }

    fn milestones(&self) -> Vec<Row> {
        let in_force = self.contract.milestones_in_force();
        let by_id: BTreeMap<&str, &Map<String, Value>> =
            in_force.iter().filter_map(|map| Some((map.get("id")?.as_str()?, map))).collect();
        let row = |milestone: milestoned_mapping::contract::MilestoneView| {
            let fields = by_id.get(milestone.id.as_str())?;
            let [contract, customer] = self.named();
            let mut cells = vec![contract, Cell::text(&milestone.id), customer, self.currency()];
            cells.extend(OF_A_MILESTONE.iter().map(|field| value(field, fields)));
            let dates = [milestone.accepted_on, milestone.invoiced_on, milestone.due_on];
            cells.push(Cell::text(milestone.status));
            cells.extend(dates.map(Cell::optional));
            cells.push(Cell::text(titles_and_codes(&milestone.blocked_by)));
            let documents =
                self.contract.documents().iter().filter(|paper| paper.milestone == milestone.id && !paper.withdrawn);
            cells.push(Cell::text(documents.map(|paper| paper.number.clone()).collect::<Vec<_>>().join(", ")));
            cells.extend(self.legs(&milestone.id));
            Some(Row { key: milestone_key(&self.row.id, &milestone.id), stamp: String::new(), cells })
        };
        self.contract.milestones().into_iter().filter_map(row).collect()
    }

    /// What each leg says of a milestone, and where one says something else than what is agreed.
    fn legs(&self, milestone: &str) -> Vec<Cell> {
        let beside = self.contract.milestone_beside(milestone);
        let of = |what: &str, leg: Leg| beside.iter().find(|row| row.what == what).and_then(|row| row.of(leg));
        let cell = |(_, what, leg): &(&str, &str, Leg)| match of(what, *leg) {
            Some(text) if *what == "milestone amount" => Cell::Amount(text.replace(',', "")),
            said => Cell::optional(said),
        };
        let mut cells: Vec<Cell> = LEGS.iter().map(cell).collect();
        let differing = |row: &Beside| {
            let legs = [Leg::Crm, Leg::Psa, Leg::Erp].into_iter().filter(|leg| row.differs(*leg));
            legs.map(|leg| format!("{} ({leg})", row.what)).collect::<Vec<_>>()
        };
        cells.push(Cell::text(beside.iter().flat_map(differing).collect::<Vec<_>>().join(", ")));
        cells
    }

    fn receivables(&self) -> Vec<Row> {
        let erp = self.snapshot.contracts.get(self.row.id.as_str()).map(|line| line.brief.erp.clone());
        let row = |receivable: milestoned_mapping::contract::Receivable| {
            let [contract, customer] = self.named();
            let mut cells = vec![
                Cell::text(&receivable.number),
                contract,
                Cell::text(&receivable.milestone),
                customer,
                Cell::optional(erp.as_ref()),
                Cell::text(receivable.date),
                Cell::text(receivable.due_on),
                self.currency(),
            ];
            cells.extend([receivable.amount, receivable.credited, receivable.paid, receivable.open].map(amount));
            Self::plain(cells)
        };
        self.contract.receivables().into_iter().map(row).collect()
    }

    fn remaining(&self) -> Vec<Row> {
        let open = |milestone: &milestoned_mapping::contract::MilestoneView| {
            milestone.invoiced_on.is_none()
                && milestone.status != milestoned_mapping::contract::MilestoneStatus::Cancelled
        };
        let row = |milestone: milestoned_mapping::contract::MilestoneView| {
            let [contract, customer] = self.named();
            let (name, status) = (Cell::text(&milestone.name), Cell::text(milestone.status));
            let held = Cell::text(titles_and_codes(&milestone.blocked_by));
            let cells = vec![
                contract,
                customer,
                Cell::text(&milestone.id),
                name,
                status,
                held,
                self.currency(),
                amount(milestone.amount),
            ];
            Self::plain(cells)
        };
        self.contract.milestones().into_iter().filter(open).map(row).collect()
    }

    fn roll_forward(&self) -> Vec<Row> {
        let row = |roll: milestoned_mapping::contract::RollForward| {
            let [contract, customer] = self.named();
            let mut cells = vec![contract, customer, Cell::text(roll.month.strftime("%Y-%m")), self.currency()];
            let assets = [roll.from_contract_assets, roll.closing, roll.contract_asset, roll.unbilled_receivable];
            cells.extend([roll.opening, roll.billed, roll.recognised].into_iter().chain(assets).map(amount));
            Self::plain(cells)
        };
        self.contract.disclosures().roll_forward.into_iter().map(row).collect()
    }

    fn changes(&self, facts: &[Fact]) -> Vec<Row> {
        let rows = self.contract.change_orders(facts).into_iter().flat_map(|order| {
            let [contract, customer] = self.named();
            let signed = if order.signed { "yes" } else { "no" };
            let version = i64::from(order.version);
            let all = order.changes.into_iter().map(move |change| {
                let (contract, customer) = (contract.clone(), customer.clone());
                let cells = vec![
                    contract,
                    customer,
                    Cell::text(order.on),
                    Cell::Count(version),
                    Cell::text(signed),
                    Cell::text(change),
                ];
                Self::plain(cells)
            });
            all.collect::<Vec<_>>()
        });
        rows.collect()
    }
}
