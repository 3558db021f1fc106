//! Intake: polls streams, reads hinted records again, and turns stored records into facts and parts of legs.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::{Class, Cursor, Fault};
use milestoned_mapping::fact::{Event, Fact, Leg};
use milestoned_mapping::fieldmap::FieldMap;
use milestoned_mapping::normalise::{LegPart, Normalised, normalise};
use milestoned_mapping::problem::Problem;
use milestoned_mapping::record::{Content, ErpPart, InvoiceStatus, PaymentSeen, SourceRecord, UnassignedSeen};

use crate::agreements::Agreement;
use crate::deliver::policy::delay;
use crate::failpoint;
use crate::registry::{Entry, Registry};
use crate::settings::{Delivery, Settings};
use crate::store::actor::Actor;
use crate::store::census;
use crate::store::intake::{Followed, NewFact, PendingHint, Reading, StoredRecord, Watermark};
use crate::store::leg_parts::LegContribution;
use crate::store::{Store, StoreError, parse};
use crate::unassigned;

/// Records taken from the store at once.
const READ_BATCH: u32 = 200;
/// Hints worked off in one turn.
const HINT_BATCH: u32 = 200;
/// Pages of one stream in one turn, so that a long catch-up does not starve the rest.
const PAGES_A_TURN: usize = 50;

/// No remote asks for more time than until its daily limit begins anew.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(25);

/// Reads every stream and every census of a connection that is due. Returns whether anything came in.
///
/// # Errors
/// The store failed. A remote that fails is noted, and tried again later.
pub async fn poll(
    store: &Store,
    system: &str,
    entry: &Entry,
    settings: &Settings,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut came = false;
    // A stream's poll and census move no mark but their own: all are read at once.
    let mut marks = store.watermarks(system.to_owned()).await?;
    for stream in entry.connection.streams() {
        came |= poll_stream(store, system, stream, marks.remove(*stream), entry, &settings.delivery, now).await?;
        let known = marks.remove(&census::stream_of(stream));
        came |= take_census(store, system, stream, known, entry, settings, now).await?;
    }
    Ok(came)
}

/// Takes the census of a stream, where it is due. Returns whether a record is to be read again.
async fn take_census(
    store: &Store,
    system: &str,
    stream: &str,
    known: Option<Watermark>,
    entry: &Entry,
    settings: &Settings,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let next = now.saturating_add(settings.intake.census_every).unwrap_or(now);
    let Some(known) = known else {
        // A stream that is read for the first time is read whole: its first census is due after `census_every`.
        store.census_waits(system.to_owned(), stream.to_owned(), next, now).await?;
        return Ok(false);
    };
    if waits(&known, settings.intake.census_every, now) {
        return Ok(false);
    }
    let (mut cursor, mut objects) = (Cursor::default(), Vec::new());
    loop {
        let first = cursor == Cursor::default();
        let page = match entry.connection.census(stream, &cursor).await {
            Ok(Some(page)) => page,
            Ok(None) => {
                store.census_waits(system.to_owned(), stream.to_owned(), next, now).await?;
                return Ok(false);
            }
            Err(fault) => {
                tracing::warn!(system, stream, %fault, "census failed");
                let due = again(&fault, stream, known.attempts, &settings.delivery, now);
                store.poll_failed(system.to_owned(), census::stream_of(stream), fault.to_string(), due, now).await?;
                return Ok(false);
            }
        };
        let more = page.more;
        if !objects.contains(&page.object) {
            objects.push(page.object.clone());
        }
        cursor = page.next.clone();
        store.census_page(system.to_owned(), stream.to_owned(), page, first, now).await?;
        if !more {
            let counted = store
                .census_end(system.to_owned(), stream.to_owned(), objects, settings.intake.brake, next, now)
                .await?;
            if counted.braked {
                tracing::warn!(system, stream, counted.known, counted.missing, "census braked");
            }
            return Ok(counted.missing > 0 && !counted.braked);
        }
    }
}

async fn poll_stream(
    store: &Store,
    system: &str,
    stream: &str,
    known: Option<Watermark>,
    entry: &Entry,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if known.as_ref().is_some_and(|mark| waits(mark, entry.poll_every, now)) {
        return Ok(false);
    }
    let attempts = known.as_ref().map_or(0, |mark| mark.attempts);
    let mut cursor = known.map(|mark| mark.cursor).unwrap_or_default();
    let mut came = false;
    for _ in 0..PAGES_A_TURN {
        match entry.connection.pull(stream, &cursor).await {
            Ok(page) => {
                let (more, next) = (page.more, page.next.clone());
                let due = (!more).then(|| now.saturating_add(entry.poll_every).unwrap_or(now));
                let new = store.record_page(system.to_owned(), stream.to_owned(), page, due, now).await?;
                failpoint::pass("page_stored");
                came |= new > 0;
                cursor = next;
                if !more {
                    break;
                }
            }
            Err(fault) => {
                tracing::warn!(system, stream, %fault, "poll failed");
                let due = again(&fault, stream, attempts, delivery, now);
                store.poll_failed(system.to_owned(), stream.to_owned(), fault.to_string(), due, now).await?;
                break;
            }
        }
    }
    Ok(came)
}

/// Whether it is not yet time. What would wait for longer than it ever does was put off by a clock that was ahead, and is
/// due; where the remote failed it may have asked for more time itself.
pub fn waits(mark: &Watermark, every: SignedDuration, now: Timestamp) -> bool {
    let longest = if mark.fault.is_some() { every.max(LONGEST_WAIT) } else { every };
    mark.due_at.is_some_and(|due| due > now && due.duration_since(now) <= longest)
}

/// When a stream whose poll failed is read again.
pub fn again(fault: &Fault, stream: &str, attempts: u32, delivery: &Delivery, now: Timestamp) -> Timestamp {
    due(fault, delay(stream, attempts.saturating_add(1), delivery), now)
}

/// When it is tried again: never earlier than the remote asked.
fn due(fault: &Fault, wait: SignedDuration, now: Timestamp) -> Timestamp {
    let due = now.saturating_add(wait).unwrap_or(now);
    match fault.class {
        Class::Throttled { until: Some(until) } => due.max(until),
        _ => due,
    }
}

/// Reads hinted records of a connection again, a batch of them, each once however often it was hinted at. A record that
/// cannot be read is tried again later.
///
/// # Errors
/// The store failed.
pub async fn read_again(
    store: &Store,
    system: &str,
    entry: &Entry,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Vec<Followed>, StoreError> {
    let hints = store.hints_due(system.to_owned(), now, HINT_BATCH).await?;
    let mut wanted: BTreeMap<&str, BTreeMap<&str, Vec<&PendingHint>>> = BTreeMap::new();
    for pending in &hints {
        let hint = &pending.hint;
        wanted.entry(&hint.object).or_default().entry(&hint.id).or_default().push(pending);
    }
    let mut followed = Vec::new();
    for (object, ids) in wanted {
        let names: Vec<&str> = ids.keys().copied().collect();
        let outcomes = entry.connection.read_each(object, &names).await;
        for ((id, hints), outcome) in ids.into_iter().zip(outcomes) {
            let outcome = outcome.map_err(|fault| {
                tracing::warn!(system, %fault, "a hinted record could not be read");
                let attempts = hints.iter().map(|hint| hint.attempts).max().unwrap_or(0);
                due(&fault, delay(id, attempts.saturating_add(1), delivery), now)
            });
            followed.push(Followed { hints: hints.into_iter().map(|hint| hint.id).collect(), outcome });
        }
    }
    Ok(followed)
}

/// What a record of the CRM or of a project tool says, where that needs nothing else, and nothing of it is to be parked.
pub fn plainly(record: &SourceRecord, entry: &Entry) -> Option<Reading> {
    let map = entry.field_map.as_ref().filter(|_| matches!(record.content, Content::Fields { .. }))?;
    Some(mapped(record, map)).filter(|reading| reading.problems.is_empty())
}

/// Turns stored records into facts and parts of legs. Returns how many were read.
///
/// # Errors
/// The store failed.
pub async fn read_records(store: &Store, registry: &Registry, now: Timestamp) -> Result<usize, StoreError> {
    let mut count = 0_usize;
    loop {
        let batch = store.unread_records(READ_BATCH).await?;
        if batch.is_empty() {
            return Ok(count);
        }
        count = count.saturating_add(batch.len());
        let mut readings = Vec::with_capacity(batch.len());
        for stored in batch {
            if asks_for_earlier(&stored.record.content) && !readings.is_empty() {
                store.settle_records(std::mem::take(&mut readings), now).await?;
                failpoint::pass("record_settled");
            }
            let reading = read(store, registry, &stored, now).await?;
            readings.push((stored, reading));
        }
        store.settle_records(readings, now).await?;
        failpoint::pass("record_settled");
    }
}

/// Whether what a record means depends on what records before it gave: that must be in the store.
fn asks_for_earlier(content: &Content) -> bool {
    match content {
        Content::Applied(_) | Content::Gone | Content::Parts { .. } | Content::Payment(_) => true,
        Content::Fields { .. } | Content::Invoice(_) | Content::Journal(_) | Content::Order(_) => false,
    }
}

async fn read(
    store: &Store,
    registry: &Registry,
    stored: &StoredRecord,
    now: Timestamp,
) -> Result<Reading, StoreError> {
    let record = &stored.record;
    match &record.content {
        Content::Gone => gone(store, record).await,
        Content::Fields { .. } => match registry.get(&record.system).and_then(|entry| entry.field_map.as_ref()) {
            Some(map) => Ok(mapped(record, map)),
            None => Ok(unmapped(record)),
        },
        Content::Invoice(invoice) => {
            let contract = match &invoice.contract {
                Some(contract) => Some(contract.clone()),
                None => store.contract_of_document(invoice.number.clone()).await?,
            };
            let reading = match contract {
                Some(contract) => {
                    erp_part(Some(contract), invoice.milestone.clone(), ErpPart::Invoice(invoice.clone()))
                }
                None => concerning(unassigned::document(store, record, invoice).await?),
            };
            Ok(Reading { confirms: Some(invoice.number.clone()), ..reading })
        }
        Content::Journal(journal) => {
            let contract = match &journal.contract {
                Some(contract) => Some(contract.clone()),
                None => store.contract_of_delivery(record.system.clone(), journal.number.clone()).await?,
            };
            let reading = match contract {
                Some(contract) => erp_part(Some(contract), None, ErpPart::Journal(journal.clone())),
                None => concerning(unassigned::entry(store, record, journal).await?),
            };
            Ok(Reading { confirms: Some(journal.number.clone()), ..reading })
        }
        Content::Order(order) => Ok(erp_part(order.contract.clone(), None, ErpPart::Order(order.clone()))),
        Content::Applied(applied) => Ok(concerning(unassigned::application(store, record, applied).await?)),
        Content::Parts { ids } => vanished(store, record, ids).await,
        Content::Payment(payment) => self::payment(store, record, payment, now).await,
    }
}

/// A CRM or PSA record, read through its field map.
fn mapped(record: &SourceRecord, map: &FieldMap) -> Reading {
    let Normalised { contract, part, facts, problems } = normalise(record, map);
    let part = match (&contract, part) {
        (Some(contract), Some(part)) => Some(contribution(contract, part)),
        _ => None,
    };
    let facts = match (&contract, problems.is_empty()) {
        (Some(contract), true) => facts
            .into_iter()
            .map(|mut draft| NewFact {
                contract: contract.clone(),
                identity: draft.identity,
                actor: actor(&mut draft.fact, &record.system),
                fact: draft.fact,
            })
            .collect(),
        _ => Vec::new(),
    };
    Reading { contract, part, facts, problems, ..Reading::default() }
}

fn contribution(contract: &str, part: LegPart) -> LegContribution {
    let text = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    match part {
        LegPart::Crm(header) => LegContribution {
            contract: contract.into(),
            leg: Leg::Crm,
            milestone: None,
            part: text(serde_json::to_string(&header)),
            unposted: None,
        },
        LegPart::Psa(milestone) => LegContribution {
            contract: contract.into(),
            leg: Leg::Psa,
            milestone: Some(milestone.id.clone()),
            part: text(serde_json::to_string(&milestone)),
            unposted: None,
        },
    }
}

fn unmapped(record: &SourceRecord) -> Reading {
    let problem = Problem::new(
        format!("connections.{}.field_map", record.system),
        "records came and no field map says what their fields mean",
        "set field_map, then `milestoned review replay`",
    );
    Reading { problems: vec![problem], ..Reading::default() }
}

/// A part of the ERP's leg. What belongs to no contract is not ours.
fn erp_part(contract: Option<String>, milestone: Option<String>, part: ErpPart) -> Reading {
    let part = contract.as_ref().map(|contract| LegContribution {
        contract: contract.clone(),
        leg: Leg::Erp,
        milestone,
        part: serde_json::to_string(&part).unwrap_or_default(),
        unposted: match &part {
            ErpPart::Invoice(seen) => Some(&seen.number).filter(|_| seen.status == InvoiceStatus::Pending).cloned(),
            ErpPart::Journal(seen) => Some(&seen.number).filter(|_| !seen.posted).cloned(),
            ErpPart::Order(_) | ErpPart::Unassigned(_) => None,
        },
    });
    Reading { contract, part, ..Reading::default() }
}

/// What concerns a contract without naming it.
fn concerning(concerned: Option<(String, UnassignedSeen)>) -> Reading {
    let (contract, said) = concerned.unzip();
    said.map_or_else(Reading::default, |said| erp_part(contract, None, ErpPart::Unassigned(said)))
}

/// A payment is a fact of the contract that owns the invoice. One that changes after it was taken, or comes back after it was
/// gone, is taken back and counts anew as it is now.
async fn payment(
    store: &Store,
    record: &SourceRecord,
    payment: &PaymentSeen,
    now: Timestamp,
) -> Result<Reading, StoreError> {
    let Some(contract) = contract_of_payment(store, payment).await? else { return Ok(Reading::default()) };
    let counted = counted(store, &contract, &record.system, &record.id).await?;
    let same = |known: &Fact| {
        let Event::Payment { invoice, amount, .. } = &known.event else { return false };
        (invoice, *amount) == (&payment.invoice, payment.amount)
    };
    let mut reading = Reading { contract: Some(contract.clone()), ..Reading::default() };
    let place = match &counted {
        Some(counted) if counted.reversed && record.at <= counted.fact.at => return Ok(reading),
        Some(counted) if !counted.reversed && same(&counted.fact) => counted.place,
        Some(counted) => {
            if !counted.reversed {
                payment_gone(&mut reading, record, (&contract, &record.id), counted);
            }
            counted.place.saturating_add(1)
        }
        None => 1,
    };
    if !reading.problems.is_empty() {
        return Ok(reading);
    }
    if let Some(problem) = in_another_currency(store, &contract, record, payment).await? {
        reading.problems.push(problem);
        return Ok(reading);
    }
    let id = Some(at_place(&payment_id(&record.system, &record.id), place));
    let (invoice, amount) = (payment.invoice.clone(), payment.amount);
    let on = paid_on(store, &contract, payment.date, record.at, now).await?;
    let fact = Fact { on, ..Fact::of(record.at, Event::Payment { invoice, amount, id }) };
    let identity = at_place(&payment_identity(&record.system, &record.id), place);
    reading.facts.push(NewFact { contract, identity, fact, actor: (&record.system).into() });
    Ok(reading)
}

/// What is wrong with a payment whose amount is in another currency than the contract: what it pays cannot be told from it.
async fn in_another_currency(
    store: &Store,
    contract: &str,
    record: &SourceRecord,
    payment: &PaymentSeen,
) -> Result<Option<Problem>, StoreError> {
    let Some(row) = store.contract(contract.to_owned()).await? else { return Ok(None) };
    let agreement: Agreement = parse("contract", "agreement", contract, &row.agreement)?;
    let agreed = agreement.terms.currency().to_string();
    Ok((payment.currency != agreed).then(|| {
        Problem::new(
            format!("{} {} {}", record.system, record.object, record.id),
            format!(
                "pays {} {} on {}, and the contract is in {agreed}: how much of the invoice that is cannot be told",
                payment.amount, payment.currency, payment.invoice
            ),
            "see what the ERP applied to the invoice, and enter the payment there in the invoice's currency; its next version is \
             read by itself",
        )
    }))
}

/// A payment as it was taken last.
struct Counted {
    /// The how manieth time that was.
    place: usize,
    /// The fact.
    fact: Fact,
    /// Whether it has been taken back since.
    reversed: bool,
}

/// A name of a payment, and of the same payment when it counts again.
fn at_place(name: &str, place: usize) -> String {
    if place > 1 { format!("{name}#{place}") } else { name.to_owned() }
}

/// How a payment was taken last; `None`: it never was.
async fn counted(store: &Store, contract: &str, system: &str, part: &str) -> Result<Option<Counted>, StoreError> {
    let mut last = None;
    for place in 1_usize.. {
        let identity = at_place(&payment_identity(system, part), place);
        let Some(fact) = store.fact_by_identity(contract.to_owned(), identity).await? else { break };
        let reversal = at_place(&reversal_identity(system, part), place);
        let reversed = store.fact_by_identity(contract.to_owned(), reversal).await?.is_some();
        last = Some(Counted { place, fact, reversed });
    }
    Ok(last)
}

/// The ERP's date of a payment, where it is earlier than the day on which the payment is learned. One that is written down
/// before its date (a cheque that is dated ahead) counts from when it is known.
async fn paid_on(
    store: &Store,
    contract: &str,
    date: Date,
    at: Timestamp,
    now: Timestamp,
) -> Result<Option<Date>, StoreError> {
    let Some(row) = store.contract(contract.to_owned()).await? else { return Ok(None) };
    let agreement: Agreement = parse("contract", "agreement", contract, &row.agreement)?;
    let (known, learned) = (agreement.terms.local_date(at), agreement.terms.local_date(now));
    Ok(Some(date).filter(|date| *date <= known && *date < learned))
}

/// The contract of the invoice that is paid: ours, or one that somebody else wrote and that names a filed contract. What is
/// paid on such a one counts when it is adopted, and is told until then.
async fn contract_of_payment(store: &Store, payment: &PaymentSeen) -> Result<Option<String>, StoreError> {
    if let Some(contract) = store.contract_of_document(payment.invoice.clone()).await? {
        return Ok(Some(contract));
    }
    let Some(named) = &payment.contract else { return Ok(None) };
    Ok(store.contract(named.clone()).await?.map(|row| row.id))
}

/// What tells a payment from all others of a contract.
pub(crate) fn payment_id(system: &str, record: &str) -> String {
    format!("{system}:{record}")
}

fn payment_identity(system: &str, part: &str) -> String {
    format!("payment:{system}:{part}")
}

fn reversal_identity(system: &str, part: &str) -> String {
    format!("reversed:{system}:{part}")
}

/// A record that is gone takes its part of the leg along; a payment that is gone is taken back.
async fn gone(store: &Store, record: &SourceRecord) -> Result<Reading, StoreError> {
    let mut reading = vanished(store, record, &[]).await?;
    if let Some(contract) = store.contract_of_record(record.clone()).await? {
        if let Some(counted) =
            counted(store, &contract, &record.system, &record.id).await?.filter(|counted| !counted.reversed)
        {
            payment_gone(&mut reading, record, (&contract, &record.id), &counted);
        }
        reading.contract = Some(contract);
    }
    Ok(reading)
}

/// Payments that a record stood for and stands for no longer: deleted with it, or applied to something else.
async fn vanished(store: &Store, record: &SourceRecord, parts: &[String]) -> Result<Reading, StoreError> {
    let mut reading = Reading::default();
    for (contract, part) in store.parts_of_record(record.clone()).await? {
        if parts.contains(&part) {
            continue;
        }
        reading.vanished.push(part.clone());
        if let Some(counted) =
            counted(store, &contract, &record.system, &part).await?.filter(|counted| !counted.reversed)
        {
            payment_gone(&mut reading, record, (&contract, &part), &counted);
            reading.contract = Some(contract);
        }
    }
    Ok(reading)
}

/// A payment that was taken and is not there any more, or is otherwise now, is taken back. One that came before payments
/// had ids is for a person.
fn payment_gone(reading: &mut Reading, record: &SourceRecord, (contract, part): (&str, &str), counted: &Counted) {
    if let Event::Payment { id: Some(id), .. } = &counted.fact.event {
        reading.facts.push(NewFact {
            contract: contract.into(),
            identity: at_place(&reversal_identity(&record.system, part), counted.place),
            fact: Fact::of(record.at, Event::PaymentReversed { id: id.clone() }),
            actor: (&record.system).into(),
        });
    } else {
        reading.problems.push(Problem::new(
            format!("{} {} {part}", record.system, record.object),
            "the payment was deleted, or changed, after it had been taken",
            "compare the receivable of the contract with the ERP, and tell who changed it",
        ));
    }
}

/// Whom a fact is ascribed to: the person behind it, where one is named, or the system that told it.
fn actor(fact: &mut Fact, system: &str) -> Actor {
    let person = fact.event.person().map(|(by, _)| by.clone());
    person.filter(|by| !by.is_empty()).map_or_else(|| system.into(), Actor::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrong_clock_has_put_off_is_due_when_the_clock_is_right_again() {
        let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let every = SignedDuration::from_mins(5);
        let mark = |hours: i64, fault: Option<&str>| Watermark {
            cursor: Cursor::default(),
            fresh_through: None,
            due_at: Some(now + SignedDuration::from_hours(hours)),
            fault: fault.map(Into::into),
            attempts: 0,
        };
        assert!(!waits(&mark(240, None), every, now), "ten days ahead, and put right");
        assert!(!waits(&mark(240, Some("throttled")), every, now));
        assert!(waits(&mark(20, Some("throttled")), every, now), "the remote asked for it");
        assert!(waits(&Watermark { due_at: Some(now + every), ..mark(0, None) }, every, now));
        assert!(!waits(&mark(-1, None), every, now));
    }
}
