//! Reading documents: by change data capture, and by paging through everything where that looks too far back.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::{Class, Cursor, Fault, Page, Source, Unreadable};
use milestoned_mapping::fact::{DecimalText, LegMilestone};
use milestoned_mapping::normalise::exact_decimal;
use milestoned_mapping::record::{
    Content, InvoiceSeen, InvoiceStatus, JournalSeen, OrderSeen, PaymentSeen, SourceRecord,
};
use reqwest::Method;
use serde_json::value::RawValue;

use super::{QuickBooks, quoted, wire};
use wire::Transaction;

/// Key of the newest change in the cursor.
const STAMP: &str = "stamp";
/// Change data capture looks back 30 days; a day is left for safety.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(29 * 24);
/// Most objects of an answer.
const MOST: usize = 1_000;
const ENTITIES: [&str; 5] = ["Invoice", "CreditMemo", "JournalEntry", "Estimate", "Payment"];

/// Objects of one answer: entity and verbatim JSON.
type Objects = Vec<(String, String)>;

impl Source for QuickBooks {
    fn streams(&self) -> &'static [&'static str] {
        &["documents"]
    }

    async fn pull(&self, _stream: &str, from: &Cursor) -> Result<Page, Fault> {
        let started = self.client.now();
        let since = from.0.get(STAMP).and_then(|text| text.parse::<Timestamp>().ok());
        let since = since.and_then(|since| since.checked_sub(self.settings.overlap).ok());
        let recent = since.filter(|since| started.duration_since(*since) < LOOK_BACK);
        let objects = match recent {
            Some(since) => match self.changes(since).await? {
                objects if objects.len() < MOST => objects,
                _ => self.everything(Some(since)).await?,
            },
            None => self.everything(since).await?,
        };
        let (records, unreadable) = self.records(&objects).await?;
        let newest =
            records.iter().map(|record| record.at).max().max(from.0.get(STAMP).and_then(|text| text.parse().ok()));
        let next = Cursor([(STAMP.to_owned(), newest.unwrap_or(started).to_string())].into());
        Ok(Page { records, unreadable, next, more: false, fresh_through: started })
    }

    async fn read(&self, object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        let Some(entity) = ENTITIES.iter().find(|entity| entity.eq_ignore_ascii_case(object)) else {
            return Ok(Vec::new());
        };
        let answer = self.query(&format!("SELECT * FROM {entity} WHERE Id = {}", quoted(id))).await?;
        let objects = self.objects(&answer.body, "QueryResponse")?;
        if objects.is_empty() {
            let now = self.client.now();
            return Ok(vec![self.record(entity, id, format!("gone {now}"), now, "{}", Content::Gone)]);
        }
        let (records, unreadable) = self.records(&objects).await?;
        match unreadable.into_iter().next() {
            Some(one) => Err(self.client.fault(Class::Misunderstood, one.reason, None)),
            None => Ok(records),
        }
    }
}

impl QuickBooks {
    async fn changes(&self, since: Timestamp) -> Result<Objects, Fault> {
        let path = format!("cdc?entities={}&changedSince={}", ENTITIES.join(","), since.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let answer = self.send(false, Method::GET, &path, None).await?;
        let unread = |error: serde_json::Error| self.client.garbage(&answer, error);
        let body: BTreeMap<String, &RawValue> = serde_json::from_str(&answer.body).map_err(unread)?;
        let mut objects = Vec::new();
        let Some(list) = body.get("CDCResponse") else { return Ok(objects) };
        let responses: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(unread)?;
        for response in responses {
            let inner: BTreeMap<String, &RawValue> = serde_json::from_str(response.get()).map_err(unread)?;
            let Some(queries) = inner.get("QueryResponse") else { continue };
            let queries: Vec<&RawValue> = serde_json::from_str(queries.get()).map_err(unread)?;
            for query in queries {
                objects.extend(lists(query.get()).map_err(unread)?);
            }
        }
        Ok(objects)
    }

    async fn everything(&self, since: Option<Timestamp>) -> Result<Objects, Fault> {
        let mut objects = Vec::new();
        for entity in ENTITIES {
            let filter = since
                .map(|since| format!(" WHERE MetaData.LastUpdatedTime >= '{}'", since.strftime("%Y-%m-%dT%H:%M:%SZ")))
                .unwrap_or_default();
            let mut start = 1_usize;
            loop {
                let query =
                    format!("SELECT * FROM {entity}{filter} ORDERBY Id STARTPOSITION {start} MAXRESULTS {MOST}");
                let answer = self.query(&query).await?;
                let page = self.objects(&answer.body, "QueryResponse")?;
                let count = page.len();
                objects.extend(page);
                if count < MOST {
                    break;
                }
                start = start.saturating_add(MOST);
            }
        }
        Ok(objects)
    }

    fn objects(&self, body: &str, key: &str) -> Result<Objects, Fault> {
        let read = || -> Result<Objects, serde_json::Error> {
            let table: BTreeMap<String, &RawValue> = serde_json::from_str(body)?;
            table.get(key).map_or(Ok(Vec::new()), |inner| lists(inner.get()))
        };
        read().map_err(|error| self.client.fault(Class::Misunderstood, error.to_string(), None))
    }

    async fn records(&self, objects: &Objects) -> Result<(Vec<SourceRecord>, Vec<Unreadable>), Fault> {
        let numbers = self.invoice_numbers(objects).await?;
        let (mut records, mut unreadable) = (Vec::new(), Vec::new());
        for (entity, raw) in objects {
            match self.read_object(entity, raw, &numbers) {
                Ok(found) => records.extend(found),
                Err(reason) => {
                    let id = serde_json::from_str::<Transaction<'_>>(raw).map(|one| one.id).unwrap_or_default();
                    unreadable.push(Unreadable { object: entity.clone(), id, raw: raw.clone(), reason });
                }
            }
        }
        records.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
        Ok((records, unreadable))
    }

    /// Numbers of the invoices that payments name by id.
    async fn invoice_numbers(&self, objects: &Objects) -> Result<BTreeMap<String, String>, Fault> {
        let mut numbers = BTreeMap::new();
        let mut asked = Vec::new();
        for (entity, raw) in objects {
            let Ok(one) = serde_json::from_str::<Transaction<'_>>(raw) else { continue };
            if entity == "Invoice" {
                numbers.extend(one.doc_number.map(|number| (one.id, number)));
            } else if entity == "Payment" {
                asked.extend(one.line.iter().flat_map(|line| &line.linked_txn).map(|link| link.txn_id.clone()));
            }
        }
        asked.retain(|id| !numbers.contains_key(id));
        asked.sort();
        asked.dedup();
        for ids in asked.chunks(100) {
            let ids: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
            let answer =
                self.query(&format!("SELECT * FROM Invoice WHERE Id IN ({}) MAXRESULTS {MOST}", ids.join(","))).await?;
            for (_, raw) in self.objects(&answer.body, "QueryResponse")? {
                if let Ok(Transaction { id, doc_number: Some(number), .. }) = serde_json::from_str(&raw) {
                    numbers.insert(id, number);
                }
            }
        }
        Ok(numbers)
    }

    fn read_object(
        &self,
        entity: &str,
        raw: &str,
        numbers: &BTreeMap<String, String>,
    ) -> Result<Vec<SourceRecord>, String> {
        let one: Transaction<'_> = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        let stamp = &one.meta_data.last_updated_time;
        let at: Timestamp = stamp.parse().map_err(|error| format!("MetaData.LastUpdatedTime {stamp:?}: {error}"))?;
        let version = format!("{} {stamp}", one.sync_token);
        let record = |id: &str, content: Content| self.record(entity, id, version.clone(), at, raw, content);
        if one.status.as_deref() == Some("Deleted") {
            return Ok(vec![self.record(entity, &one.id, format!("deleted {stamp}"), at, raw, Content::Gone)]);
        }
        Ok(match entity {
            "Invoice" | "CreditMemo" => {
                vec![record(&one.id, Content::Invoice(self.invoice(&one, entity == "CreditMemo")?))]
            }
            "JournalEntry" => vec![record(&one.id, Content::Journal(self.entry(&one)?))],
            "Estimate" => vec![record(&one.id, Content::Order(self.order(&one)?))],
            _ => {
                let mut payments = Vec::new();
                for (invoice, payment) in self.payments(&one, numbers)? {
                    payments.push(record(&format!("{}:{invoice}", one.id), Content::Payment(payment)));
                }
                payments
            }
        })
    }

    fn record(
        &self,
        entity: &str,
        id: &str,
        version: String,
        at: Timestamp,
        raw: &str,
        content: Content,
    ) -> SourceRecord {
        let system = self.client.system().into();
        SourceRecord { system, object: entity.into(), id: id.into(), version, at, raw: raw.into(), content }
    }

    fn custom(&self, one: &Transaction<'_>, definition: &str) -> Option<String> {
        let field = one.custom_field.iter().find(|field| field.definition_id == definition)?;
        field.string_value.clone().filter(|text| !text.is_empty())
    }

    fn currency(&self, one: &Transaction<'_>) -> String {
        one.currency_ref.as_ref().map_or_else(|| self.settings.home_currency.clone(), |currency| currency.value.clone())
    }

    fn invoice(&self, one: &Transaction<'_>, credit_memo: bool) -> Result<InvoiceSeen, String> {
        let void = one.private_note.as_deref().is_some_and(|note| note.starts_with("Voided"));
        let paid = one.balance.map(amount).transpose()?.is_some_and(|balance| balance.0.is_zero());
        Ok(InvoiceSeen {
            credit_memo,
            number: one.doc_number.clone().unwrap_or_default(),
            contract: self.custom(one, &self.settings.contract_field),
            milestone: self.custom(one, &self.settings.milestone_field),
            customer: one.customer_ref.name.clone().unwrap_or_default(),
            currency: self.currency(one),
            date: date(one)?,
            amount: total(one)?,
            status: match (void, paid) {
                (true, _) => InvoiceStatus::Void,
                (false, true) => InvoiceStatus::Paid,
                (false, false) => InvoiceStatus::Open,
            },
        })
    }

    fn entry(&self, one: &Transaction<'_>) -> Result<JournalSeen, String> {
        let mut debits = zero();
        for line in &one.line {
            if line.journal_entry_line_detail.as_ref().is_some_and(|detail| detail.posting_type == "Debit") {
                debits.0 += line.amount.map(amount).transpose()?.unwrap_or_else(zero).0;
            }
        }
        Ok(JournalSeen {
            number: one.doc_number.clone().unwrap_or_default(),
            contract: None,
            date: date(one)?,
            currency: self.currency(one),
            amount: debits,
        })
    }

    fn order(&self, one: &Transaction<'_>) -> Result<OrderSeen, String> {
        // An estimate's line says which milestone it is: `M2: requirements document`.
        let milestones = one.line.iter().filter_map(|line| {
            let (id, description) = line.description.as_deref()?.split_once(": ")?;
            Some(LegMilestone {
                id: id.into(),
                amount: line.amount.and_then(|raw| amount(raw).ok()),
                description: Some(description.into()),
                ..LegMilestone::default()
            })
        });
        let term = one.sales_term_ref.as_ref().and_then(|term| {
            self.settings.terms.iter().find(|(_, id)| **id == term.value).map(|(name, _)| name.clone())
        });
        Ok(OrderSeen {
            contract: self.custom(one, &self.settings.contract_field),
            customer: one.customer_ref.name.clone(),
            currency: Some(self.currency(one)),
            amount: Some(total(one)?),
            payment_terms: term,
            version: None,
            milestones: milestones.collect(),
        })
    }

    fn payments(
        &self,
        one: &Transaction<'_>,
        numbers: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, PaymentSeen)>, String> {
        let mut payments = Vec::new();
        for line in &one.line {
            for link in line.linked_txn.iter().filter(|link| link.txn_type == "Invoice") {
                let (Some(number), Some(raw)) = (numbers.get(&link.txn_id), line.amount) else { continue };
                let payment = PaymentSeen {
                    invoice: number.clone(),
                    currency: self.currency(one),
                    date: date(one)?,
                    amount: amount(raw)?,
                };
                payments.push((link.txn_id.clone(), payment));
            }
        }
        Ok(payments)
    }
}

/// Every list of objects in a table, by entity.
fn lists(text: &str) -> Result<Objects, serde_json::Error> {
    let table: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
    let mut objects = Vec::new();
    for (entity, raw) in table {
        // An empty answer has no entity at all; counts stand beside the lists.
        if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
            objects.extend(items.into_iter().map(|item| (entity.clone(), item.get().to_owned())));
        }
    }
    Ok(objects)
}

pub(crate) fn amount(raw: &RawValue) -> Result<DecimalText, String> {
    exact_decimal(raw.get().trim_matches('"')).ok_or_else(|| format!("{} is not an amount", raw.get()))
}

fn zero() -> DecimalText {
    DecimalText(Default::default())
}

fn total(one: &Transaction<'_>) -> Result<DecimalText, String> {
    amount(one.total_amt.ok_or("TotalAmt is missing")?)
}

fn date(one: &Transaction<'_>) -> Result<jiff::civil::Date, String> {
    let text = one.txn_date.as_deref().unwrap_or_default();
    text.parse().map_err(|error| format!("TxnDate {text:?}: {error}"))
}
