//! One contract: terms, change orders as differences, milestones from plan to payment, documents, receivables, revenue by month.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use milestoned_mapping::contract::{
    Approval, ChangeOrderView, Contract, ObligationView, Outlook, Receivable, RollForward,
};
use milestoned_mapping::fact::{Fact, Shown};
use milestoned_mapping::money::{Minor, Money, grouped};

use super::charts::{Bar, Chart, bars, lines};
use super::documents::{self, Sources};
use super::person::Person;
use super::{filters, render};
use crate::environment::Environment;
use crate::review::item::Item;
use crate::review::portfolio::{self, DocumentLine, MilestoneLine, Remedied, Summary};
use crate::review::queue::{self, what_changed};
use crate::review::subject::Subject;
use crate::store::audit::AuditLine;
use crate::store::outbox::Delivery;
use crate::web::extract::Segments;
use crate::web::problem::ApiError;

/// Days for which it is said when a milestone will be billed.
const AHEAD: i32 = 400;
/// Months of a chart, the newest.
const MONTHS: usize = 24;

#[derive(Template)]
#[template(path = "contract.html")]
struct ContractPage {
    person: Person,
    summary: Summary,
    version: u32,
    milestones: Vec<MilestoneRow>,
    documents: Vec<DocumentLine>,
    receivables: Vec<Receivable>,
    terms: Vec<(&'static str, String)>,
    obligations: Vec<ObligationView>,
    amendments: Vec<ChangeOrderView>,
    /// The signed document that it was filed from.
    signed: Option<Sources>,
    items: Vec<Arc<Item>>,
    closed: Vec<Remedied>,
    charts: Vec<Chart>,
    journal: Vec<JournalRow>,
    deliveries: Vec<Delivery>,
    audit: Vec<AuditLine>,
    today: Date,
}

/// A milestone from plan to payment.
struct MilestoneRow {
    line: MilestoneLine,
    /// When time alone will invoice it.
    planned: Option<Date>,
    paid: Option<Money>,
    approver: Option<String>,
}

struct JournalRow {
    date: String,
    account: String,
    debit: String,
    credit: String,
}

/// `GET /contracts/{id}`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let view = portfolio::contract(&env, &id).await?.ok_or_else(|| ApiError::not_found("contract", &id))?;
    let row = crate::web::api::known(&env, &id).await?;
    let contract = portfolio::state(&row)?;
    let items = queue::whole(&env, &person.snapshot(&env).await?.items_of(&id)).await?;
    let facts = env.store.decided_facts(id.clone()).await?;
    let facts: Vec<Fact> = facts.into_iter().filter_map(|fact| serde_json::from_value(fact.fact).ok()).collect();
    let today = contract.terms().local_date(env.clock.now());
    let disclosures = contract.disclosures();
    let receivables = contract.receivables();
    let outlook = contract.outlook(today.saturating_add(jiff::Span::new().days(AHEAD)));
    let milestones =
        view.milestones.into_iter().map(|line| milestone(&contract, &receivables, &outlook, line)).collect();
    Ok(render(&ContractPage {
        person,
        today,
        signed: documents::sources(&env, &id).await?,
        version: contract.version(),
        milestones,
        receivables,
        terms: contract.terms_in_words(),
        obligations: disclosures.obligations,
        amendments: contract.change_orders(&facts),
        charts: charts(&disclosures.roll_forward, &view.summary.currency),
        summary: view.summary,
        documents: view.documents,
        items,
        closed: view.exceptions.into_iter().filter(|exception| exception.exception.closed_on.is_some()).collect(),
        journal: journal(&contract),
        deliveries: view.deliveries,
        audit: env.store.audit(Some(id), 200).await?,
    }))
}

fn milestone(contract: &Contract, receivables: &[Receivable], outlook: &Outlook, line: MilestoneLine) -> MilestoneRow {
    let id = &line.milestone.id;
    let of_it: Vec<&Receivable> = receivables.iter().filter(|receivable| receivable.milestone == *id).collect();
    let paid: Minor = of_it.iter().map(|receivable| receivable.paid.units()).sum();
    let currency = contract.terms().currency();
    let clause = contract.clause(id);
    MilestoneRow {
        planned: outlook.documents.iter().find(|document| document.milestone == *id).map(|document| document.date),
        paid: (!of_it.is_empty()).then(|| currency.money(paid)),
        approver: clause.into_iter().find(|(name, _)| name == "approver").map(|(_, text)| text),
        line,
    }
}

fn charts(months: &[RollForward], currency: &str) -> Vec<Chart> {
    let months = months.get(months.len().saturating_sub(MONTHS)..).unwrap_or_default();
    if months.is_empty() {
        return Vec::new();
    }
    let of = |value: fn(&RollForward) -> Money| -> Vec<Bar> {
        months.iter().map(|month| Bar::new(month.month.strftime("%b %Y").to_string(), value(month))).collect()
    };
    vec![
        bars(&format!("Billed by month, {currency}"), of(|row| row.billed)),
        bars(&format!("Revenue by month, {currency}"), of(|row| row.recognised)),
        lines(&format!("Deferred revenue at month’s end, {currency}"), of(|row| row.closing)),
    ]
}

/// The subject of a milestone's approval, as a form carries it.
fn approval_of(contract: &str, milestone: &str) -> String {
    Subject::Approval { contract: contract.into(), milestone: milestone.into() }.to_string()
}

/// What an approval would be of, as a form carries it.
fn text_of(shown: &Shown) -> String {
    serde_json::to_string(shown).unwrap_or_default()
}

fn journal(contract: &Contract) -> Vec<JournalRow> {
    use milestoned_mapping::command::Side;
    let mut rows = Vec::new();
    for entry in contract.journal() {
        for (index, line) in entry.lines.iter().enumerate() {
            let amount = grouped(&line.amount.to_string());
            let (debit, credit) = match line.side {
                Side::Debit => (amount, String::new()),
                Side::Credit => (String::new(), amount),
            };
            let date = if index == 0 { entry.date.to_string() } else { String::new() };
            rows.push(JournalRow { date, account: line.account.name().replace('_', " "), debit, credit });
        }
    }
    rows
}
