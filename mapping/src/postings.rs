//! Postings: what the world is to be told after a decision, each with the key that makes it happen once.
//!
//! Documents are posted when they are issued. The journal entry of a date is posted when the date is over. What is learned of
//! such a date afterwards is a further entry of it, at once, with a number and a key of its own: an entry that the ERP was
//! told never changes, and all entries of a date together are what is known of it. A status is posted to the record that shows a milestone whenever it changes.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::address;
use crate::command::{
    AcceptanceRecord, BillingStatus, Command, DeliveryKey, Document, InvoiceEmail, JournalEntry, OrderLine,
    OrderedLine, Posting, SalesOrder,
};
use crate::contract::{Contract, DatedEntry, DocumentKind, IssuedDocument, MilestoneView};
use crate::money::Money;

/// Most characters of an entry's number: every ERP takes so many. Entries that were written are known by their numbers, so
/// that this never changes.
const NUMBER_LENGTH: usize = 21;

/// Where postings go.
#[derive(Debug, Clone, Copy)]
pub struct Addresses<'a> {
    /// ERP connection.
    pub erp: &'a str,
    /// Whether the ERP gets the contract's order, too.
    pub orders: bool,
    /// Whether the ERP is asked to mail each invoice to the customer.
    pub emails: bool,
    /// Whether the ERP keeps the record of an acceptance beside its invoice.
    pub acceptances: bool,
    /// Base address of links, without a slash at its end.
    pub links: &'a str,
    /// Records that show a milestone, as (connection, record id); the empty milestone stands for the whole contract.
    pub records: &'a BTreeMap<String, Vec<(String, String)>>,
}

/// What follows from a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Postings, in the order in which they are to be delivered.
    pub postings: Vec<Posting>,
    /// Journal entries up to this date are planned.
    pub journal_through: Option<Date>,
    /// The present day has a journal entry that waits for the day to end.
    pub open_day: bool,
}

/// Revenue of a milestone was recognised for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recognised {
    /// Contract id.
    pub contract: String,
    /// Milestone id.
    pub milestone: String,
    /// Acceptance date.
    pub recognized_on: Date,
    /// ISO 4217 code.
    pub currency_code: String,
    /// Recognition amount in minor units.
    pub amount_minor: i64,
}

/// What was planned about a contract before.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a> {
    /// So many of the contract's documents.
    pub documents: usize,
    /// Journal entries of the dates through this one.
    pub journal_through: Option<Date>,
    /// The journal entries themselves, in the order in which they were planned.
    pub entries: &'a [JournalEntry],
}

/// What is to be said after the decision that led from `before` to `after`.
pub fn plan(before: &Contract, after: &Contract, planned: Planned<'_>, addresses: &Addresses<'_>) -> Plan {
    let Planned { documents, journal_through, entries } = planned;
    let mut postings = Vec::new();
    // The first plan of a contract is the one without a journal behind it.
    if addresses.orders && (journal_through.is_none() || before.version() != after.version()) {
        postings.extend(order_postings(after, addresses.erp));
    }
    let new = after.documents().get(documents..).unwrap_or_default();
    // Adopted documents are in the ERP already; documents withdrawn in the same turn must not get there.
    for document in new.iter().filter(|document| !document.adopted && !document.withdrawn) {
        postings.extend(document_postings(after, document, addresses));
    }
    let last_over = after.as_of().yesterday().ok();
    let told = entries.iter().map(|entry| (entry.date, entry.lines.as_slice()));
    let (over, open): (Vec<_>, Vec<_>) =
        after.untold_entries(told).into_iter().partition(|entry| last_over.is_some_and(|last| entry.date <= last));
    for entry in over {
        let place = entries.iter().filter(|candidate| candidate.date == entry.date).count().saturating_add(1);
        postings.extend(journal_postings(after, entry, place, addresses.erp));
    }
    postings.extend(status_postings(before, after, addresses));
    Plan { postings, journal_through: last_over.max(journal_through), open_day: !open.is_empty() }
}

/// Key of an issued document's posting.
pub fn document_key(contract: &str, erp: &str, document: &IssuedDocument) -> DeliveryKey {
    DeliveryKey::of(&[erp, contract, &document.milestone, document.kind.name(), &document.number])
}

pub(crate) fn customer(contract: &Contract, erp: &str) -> Posting {
    let terms = contract.terms();
    let currency = terms.currency().to_string();
    Posting {
        key: DeliveryKey::of(&[erp, "customer", terms.customer(), &currency]),
        target: erp.into(),
        command: Command::Customer { name: terms.customer().into(), currency },
        after: Vec::new(),
    }
}

/// Key of a contract's order, whatever its version.
pub(crate) fn order_key(contract: &str, erp: &str) -> DeliveryKey {
    DeliveryKey::of(&[erp, contract, "order"])
}

pub(crate) fn order_postings(contract: &Contract, erp: &str) -> Vec<Posting> {
    let terms = contract.terms();
    let customer = customer(contract, erp);
    let version = contract.version();
    let order = SalesOrder {
        order: order_key(terms.id(), erp),
        contract: terms.id().into(),
        customer: terms.customer().into(),
        date: terms.signed_on(),
        version,
        po_number: terms.po_number().map(Into::into),
        payment_terms: terms.payment_terms_text(),
        amount: contract.total(),
        lines: order_lines(contract),
    };
    let key = DeliveryKey::of(&[erp, terms.id(), "order", &version.to_string()]);
    let after = vec![customer.key.clone()];
    vec![customer, Posting { key, target: erp.into(), command: Command::SalesOrder(order), after }]
}

/// Ids of the agreement's milestones, those too that it has no more, in the order in which they came.
fn order_places(contract: &Contract) -> Vec<String> {
    let mut places = Vec::new();
    for milestone in contract.milestones() {
        let root = milestone.parent.unwrap_or(milestone.id);
        if !places.contains(&root) {
            places.push(root);
        }
    }
    places
}

fn order_lines(contract: &Contract) -> Vec<OrderLine> {
    let (agreed, currency) = (contract.agreed(), contract.terms().currency());
    let gone = || OrderLine {
        milestone: None,
        amount: currency.minor(0),
        description: String::new(),
        timing: String::new(),
        invoice: String::new(),
        recognition: None,
    };
    let line = |root: String| {
        let parts = agreed.get(root.as_str())?;
        let first = parts.first()?;
        let words = contract.agreed_words(first);
        let agreed = contract.agreed_on(first, parts, words);
        Some(OrderLine {
            amount: currency.from_decimal(agreed.amount)?,
            description: agreed.description.into(),
            timing: agreed.timing.into(),
            invoice: agreed.invoice.into(),
            recognition: agreed.method.map(Into::into),
            milestone: Some(root),
        })
    };
    order_places(contract).into_iter().map(|root| line(root).unwrap_or_else(gone)).collect()
}

/// The line of the order that a document bills.
pub(crate) fn ordered_line(contract: &Contract, erp: &str, milestone: &str) -> Option<OrderedLine> {
    let root = contract
        .milestones()
        .into_iter()
        .find(|candidate| candidate.id == milestone)
        .map(|milestone| milestone.parent.unwrap_or(milestone.id))?;
    let places = order_places(contract);
    let place = places.iter().position(|name| *name == root)?;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(OrderedLine {
        order: order_key(contract.terms().id(), erp),
        line: number(place.saturating_add(1)),
        lines: number(places.len()),
    })
}

fn document_postings(contract: &Contract, issued: &IssuedDocument, addresses: &Addresses<'_>) -> Vec<Posting> {
    let terms = contract.terms();
    let customer = customer(contract, addresses.erp);
    let (po_number, payment_terms) = contract.paper_terms(&issued.milestone);
    let billed_from_order = addresses.orders && issued.kind != DocumentKind::CreditMemo;
    let order = if billed_from_order { order_postings(contract, addresses.erp) } else { Vec::new() };
    let document = Document {
        number: issued.number.clone(),
        contract: terms.id().into(),
        milestone: issued.milestone.clone(),
        customer: terms.customer().into(),
        date: issued.date,
        due_on: issued.due_on,
        amount: issued.amount,
        description: issued.description.clone(),
        po_number,
        payment_terms,
        acceptance: Some(address::milestone(addresses.links, terms.id(), &issued.milestone)),
        original: issued.original.clone(),
        order: if billed_from_order { ordered_line(contract, addresses.erp, &issued.milestone) } else { None },
        obligation: contract.obligation_of(&issued.milestone).map(Into::into),
    };
    let mut after = vec![customer.key.clone()];
    let original = issued
        .original
        .as_ref()
        .and_then(|number| contract.documents().iter().find(|document| document.number == *number));
    // An invoice of somebody else is not delivered by us: nothing would ever settle what waits for it.
    let original = original.filter(|original| !original.adopted);
    after.extend(original.map(|original| document_key(terms.id(), addresses.erp, original)));
    after.extend(order.last().map(|order| order.key.clone()));
    let command = match issued.kind {
        DocumentKind::CreditMemo => Command::CreditMemo(document),
        DocumentKind::Invoice | DocumentKind::RetainageInvoice | DocumentKind::SupplementaryInvoice => {
            Command::Invoice(document)
        }
    };
    let key = document_key(terms.id(), addresses.erp, issued);
    let mut postings = vec![customer];
    postings.extend(order.into_iter().filter(|posting| matches!(posting.command, Command::SalesOrder(_))));
    let bills = issued.kind != DocumentKind::CreditMemo;
    postings.push(Posting { key, target: addresses.erp.into(), command, after });
    postings.extend(acceptance(contract, issued, addresses).filter(|_| bills && addresses.acceptances));
    postings.extend((bills && addresses.emails).then(|| email(contract, issued, addresses)));
    postings
}

/// Key of the acceptance record beside an issued document.
pub(crate) fn acceptance_key(contract: &str, erp: &str, document: &IssuedDocument) -> DeliveryKey {
    DeliveryKey::of(&[erp, contract, &document.milestone, "acceptance", &document.number])
}

/// The record of the acceptance by which an invoice was issued, once the ERP has the invoice. What is billed without one, such
/// as a milestone in advance, has none.
fn acceptance(contract: &Contract, issued: &IssuedDocument, addresses: &Addresses<'_>) -> Option<Posting> {
    let (terms, erp) = (contract.terms(), addresses.erp);
    let milestone = contract.milestones().into_iter().find(|milestone| milestone.id == issued.milestone)?;
    let record = AcceptanceRecord {
        number: issued.number.clone(),
        contract: terms.id().into(),
        milestone: issued.milestone.clone(),
        customer: terms.customer().into(),
        description: issued.description.clone(),
        accepted_on: milestone.accepted_on?,
        deemed: milestone.deemed,
        document: milestone.document,
        link: address::milestone(addresses.links, terms.id(), &issued.milestone),
    };
    Some(Posting {
        key: acceptance_key(terms.id(), erp, issued),
        target: erp.into(),
        command: Command::AcceptanceRecord(record),
        after: vec![document_key(terms.id(), erp, issued)],
    })
}

/// Key of the mail with an issued document.
pub(crate) fn email_key(contract: &str, erp: &str, document: &IssuedDocument) -> DeliveryKey {
    DeliveryKey::of(&[erp, contract, &document.milestone, "email", &document.number])
}

/// The mail with an invoice, once the ERP has the invoice.
fn email(contract: &Contract, issued: &IssuedDocument, addresses: &Addresses<'_>) -> Posting {
    let terms = contract.terms();
    let erp = addresses.erp;
    let email = InvoiceEmail {
        number: issued.number.clone(),
        contract: terms.id().into(),
        milestone: issued.milestone.clone(),
        customer: terms.customer().into(),
    };
    Posting {
        key: email_key(terms.id(), erp, issued),
        target: erp.into(),
        command: Command::InvoiceEmail(email),
        after: vec![document_key(terms.id(), erp, issued)],
    }
}

fn journal_postings(contract: &Contract, untold: DatedEntry, place: usize, erp: &str) -> [Posting; 2] {
    let DatedEntry { date, lines } = untold;
    let terms = contract.terms();
    let key = journal_key(terms.id(), erp, date, place);
    let customer = customer(contract, erp);
    let accepted: Vec<String> = contract
        .milestones()
        .into_iter()
        .filter(|milestone| milestone.accepted_on == Some(date))
        .map(|milestone| milestone.id)
        .collect();
    let obligation = accepted.first().and_then(|first| contract.obligation_of(first));
    let obligation = obligation.filter(|one| accepted.iter().all(|other| contract.obligation_of(other) == Some(*one)));
    let obligation = obligation.map(Into::into);
    let milestone = accepted.first().filter(|_| accepted.len() == 1).cloned();
    let known_on = format!(", known on {}: entry {place} of that date", contract.as_of());
    let further = if place > 1 { known_on.as_str() } else { "" };
    let entry = JournalEntry {
        number: journal_entry_number(terms.id(), erp, date, place),
        contract: terms.id().into(),
        customer: terms.customer().into(),
        date,
        milestone,
        obligation,
        lines,
        memo: journal_memo(terms.id(), date) + further,
    };
    let after = vec![customer.key.clone()];
    [customer, Posting { key, target: erp.into(), command: Command::JournalEntry(entry), after }]
}

/// How the memo of an entry begins, and ends for the first of its date.
pub(crate) fn journal_memo(contract: &str, date: Date) -> String {
    format!("Revenue of contract {contract} on {date}")
}

/// Key of an entry of a contract and date, the `place`th of that date.
pub(crate) fn journal_key(contract: &str, erp: &str, date: Date, place: usize) -> DeliveryKey {
    let (date, place) = (date.to_string(), place.to_string());
    let first = [erp, contract, "journal", &date];
    if place == "1" { DeliveryKey::of(&first) } else { DeliveryKey::of(&[erp, contract, "journal", &date, &place]) }
}

/// Number of an entry of a contract and date, the `place`th of that date: `{contract}-{yyyymmdd}J`, from the second on with the
/// place behind it, or a shorter one from the key where an ERP could not take that.
pub fn journal_entry_number(contract: &str, erp: &str, date: Date, place: usize) -> String {
    let day = date.strftime("%Y%m%d").to_string();
    let further = if place > 1 { place.to_string() } else { String::new() };
    let plain = format!("{contract}-{day}J{further}");
    if plain.len() <= NUMBER_LENGTH {
        return plain;
    }
    let key = journal_key(contract, erp, date, place);
    let tail: String = key.as_str().chars().take(NUMBER_LENGTH.saturating_sub(10)).collect();
    format!("J{day}-{tail}")
}

/// A status for every record that shows a milestone whose standing changed.
fn status_postings(before: &Contract, after: &Contract, addresses: &Addresses<'_>) -> Vec<Posting> {
    let former: BTreeMap<String, MilestoneView> =
        before.milestones().into_iter().map(|milestone| (milestone.id.clone(), milestone)).collect();
    let mut postings = Vec::new();
    for milestone in after.milestones() {
        if former.get(&milestone.id).is_some_and(|former| standing(former) == standing(&milestone)) {
            continue;
        }
        // A part is shown by its parent's record.
        let shown_by = |id: &str| addresses.records.get(id).into_iter().flatten();
        let own = shown_by(&milestone.id).chain(shown_by(milestone.parent.as_deref().unwrap_or(&milestone.id)));
        let mut seen = Vec::new();
        for (system, record) in own.chain(shown_by("")) {
            if !seen.contains(&(system, record)) {
                seen.push((system, record));
                postings.push(status_posting(after, &milestone, system, record, addresses));
            }
        }
    }
    postings
}

/// What a status shows; it is posted again when this changes.
fn standing(milestone: &MilestoneView) -> (&str, Money, Option<Date>, Option<Date>, &[String]) {
    (milestone.status.name(), milestone.amount, milestone.accepted_on, milestone.invoiced_on, &milestone.blocked_by)
}

fn status_posting(
    contract: &Contract,
    milestone: &MilestoneView,
    system: &str,
    record: &str,
    addresses: &Addresses<'_>,
) -> Posting {
    let terms = contract.terms();
    let of_it = |document: &&IssuedDocument| document.milestone == milestone.id && !document.withdrawn;
    let bills = |document: &&IssuedDocument| of_it(document) && document.kind != DocumentKind::CreditMemo;
    let invoice = contract.documents().iter().find(bills);
    let status = BillingStatus {
        contract: terms.id().into(),
        milestone: milestone.id.clone(),
        name: milestone.name.clone(),
        record: record.into(),
        status: milestone.status.name().into(),
        amount: milestone.amount,
        accepted_on: milestone.accepted_on,
        invoice: invoice.map(|document| document.number.clone()),
        invoiced_on: milestone.invoiced_on,
        due_on: milestone.due_on,
        blocked_by: milestone.blocked_by.clone(),
        link: address::milestone(addresses.links, terms.id(), &milestone.id),
    };
    let content = serde_json::to_string(&status).unwrap_or_default();
    // The same standing may come back (held, free, held): the place in the contract's history tells them apart.
    let place = contract.changes().to_string();
    Posting {
        key: DeliveryKey::of(&[system, terms.id(), &milestone.id, "status", &place, &content]),
        target: system.into(),
        command: Command::BillingStatus(status),
        // Nobody is told that something is invoiced before the ERP has taken the invoice.
        after: invoice
            .filter(|document| !document.adopted)
            .map(|document| document_key(terms.id(), addresses.erp, document))
            .into_iter()
            .collect(),
    }
}

/// Milestones whose acceptance was told by the decision that led from `before` to `after`, and recognises their revenue.
/// Under a method that goes by cost or time an acceptance recognises nothing: [`revenue_since`] tells what is booked.
pub fn recognised_since(before: &Contract, after: &Contract) -> Vec<Recognised> {
    let former: BTreeMap<String, bool> = before
        .milestones()
        .into_iter()
        .map(|milestone| (milestone.id.clone(), milestone.accepted_on.is_some()))
        .collect();
    after
        .milestones()
        .into_iter()
        .filter(|milestone| former.get(&milestone.id) != Some(&true) && after.recognises_at_acceptance(&milestone.id))
        .filter_map(|milestone| {
            let (on, amount) = (milestone.accepted_on?, milestone.recognition_amount?);
            Some(Recognised {
                contract: after.terms().id().into(),
                milestone: milestone.id,
                recognized_on: on,
                currency_code: amount.currency().to_string(),
                amount_minor: amount.minor(),
            })
        })
        .collect()
}

/// Revenue that the journal recognised, or took back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revenue {
    /// Contract id.
    pub contract: String,
    /// Date up to which the journal was decided.
    pub as_of: Date,
    /// ISO 4217 code.
    pub currency_code: String,
    /// By how much recognised revenue grew, in minor units; negative where it fell.
    pub amount_minor: i64,
}

/// What the decision that led from `before` to `after` recognised, by whatever method; the sum of all is what the contract
/// has recognised.
pub fn revenue_since(before: &Contract, after: &Contract) -> Option<Revenue> {
    let (was, is) = (before.position().recognised, after.position().recognised);
    let amount_minor = is.minor().checked_sub(was.minor()).filter(|amount| *amount != 0)?;
    Some(Revenue {
        contract: after.terms().id().into(),
        as_of: after.as_of(),
        currency_code: is.currency().to_string(),
        amount_minor,
    })
}
