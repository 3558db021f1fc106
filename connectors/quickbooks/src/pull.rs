//! Reading documents: by change data capture, and by a query of each entity, page by page, where that looks too far back
//! or has more to tell than one answer holds.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::note::Names;
use milestoned_connector_kit::tax::Asked;
use milestoned_connector_kit::{Census, Class, Cursor, Fault, Page, Source, Unreadable, digest, read};
use milestoned_mapping::fact::{DecimalText, LegMilestone, LegRecognition};
use milestoned_mapping::normalise::exact_decimal;
use milestoned_mapping::record::{
    Applied, AppliedSeen, Content, InvoiceSeen, InvoiceStatus, JournalSeen, OrderSeen, PaymentSeen, SourceRecord,
};
use milestoned_mapping::statement::Line;
use serde_json::value::RawValue;

use super::body::{OWN_ENTRY, our_number};
use super::{QuickBooks, listed, quoted, wire};
use wire::Transaction;

/// Key of the newest change in the cursor.
const STAMP: &str = "stamp";
/// Keys of a sweep by query: the entity, from which change on, from which row of it on, and when the sweep began.
const ENTITY: &str = "entity";
const FROM: &str = "from";
const START: &str = "start";
const BEGAN: &str = "began";
/// Change data capture looks back 30 days; a day is left for safety.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(29 * 24);
/// Most objects of an answer.
const MOST: usize = 1_000;
/// Entities that are read.
pub(crate) const ENTITIES: [&str; 5] = ["Invoice", "CreditMemo", "JournalEntry", "Estimate", "Payment"];
/// What payments apply beside money.
const CREDIT: &str = "CreditMemo";
const ENTRY: &str = "JournalEntry";
/// Object of a hint that means: what changed since.
pub(crate) const CHANGES: &str = "changes";

/// Our number of a sale: that in its note, where QuickBooks gives numbers itself.
pub(crate) fn number(transaction: &Transaction<'_>) -> Option<String> {
    our_number(transaction.private_note.as_deref()).or_else(|| transaction.doc_number.clone())
}

/// An invoice that a payment pays.
#[derive(Clone)]
struct Paid {
    number: String,
    contract: Option<String>,
    asked: Asked,
}

/// Objects of one answer: entity and verbatim JSON.
pub(crate) type Objects = Vec<(String, String)>;

impl Source for QuickBooks {
    fn streams(&self) -> &'static [&'static str] {
        &["documents"]
    }

    fn page_of(&self, object: &str, id: &str) -> Option<String> {
        let page = match object {
            "Invoice" => "invoice",
            "CreditMemo" => "creditmemo",
            "JournalEntry" => "journal",
            "Estimate" => "estimate",
            "Payment" => "recvpayment",
            _ => return None,
        };
        let sandbox = if self.settings.base_url.contains("sandbox") { "sandbox." } else { "" };
        Some(format!("https://app.{sandbox}qbo.intuit.com/app/{page}?txnId={id}"))
    }

    async fn pull(&self, _stream: &str, from: &Cursor) -> Result<Page, Fault> {
        let now = self.client.now();
        if from.0.contains_key(ENTITY) {
            return self.sweep(from).await;
        }
        let stamp = from.0.get(STAMP).and_then(|text| text.parse::<Timestamp>().ok());
        let since = stamp.and_then(|stamp| stamp.checked_sub(self.settings.overlap).ok());
        let Some(since) = since.filter(|since| now.duration_since(*since) < LOOK_BACK) else {
            return self.sweep(&beginning(since, now)).await;
        };
        let objects = self.changes(since).await?;
        let (records, unreadable) = self.records(&objects).await?;
        if objects.len() >= MOST {
            // There may be more than the answer holds. Deletions that it does not hold are found by the census.
            return Ok(Page { records, unreadable, next: beginning(Some(since), now), more: true, fresh_through: now });
        }
        let newest = records.iter().map(|record| record.at).max().max(stamp);
        let next = Cursor([(STAMP.to_owned(), newest.unwrap_or(now).to_string())].into());
        Ok(Page { records, unreadable, next, more: false, fresh_through: now })
    }

    async fn read(&self, object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        let now = self.client.now();
        if object == CHANGES {
            let told = id.parse().unwrap_or_else(|_| now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(now));
            let since = told.checked_sub(self.settings.overlap).unwrap_or(told);
            // The regular reading goes further back.
            let objects = self.changes(since.max(now.saturating_sub(LOOK_BACK).unwrap_or(now))).await?;
            return self.readable(&objects).await;
        }
        let Some(entity) = ENTITIES.iter().find(|entity| entity.eq_ignore_ascii_case(object)) else {
            return Ok(Vec::new());
        };
        let whole = id.split(':').next().unwrap_or(id);
        let answer = self.query(&format!("SELECT * FROM {entity} WHERE Id = {}", quoted(whole))).await?;
        let mut records = self.readable(&self.objects(&answer.body)?).await?;
        let gone = |id: &str| self.record(entity, id, format!("gone {now}"), now, "{}", Content::Gone);
        if records.is_empty() {
            records.push(gone(whole));
        }
        if !records.iter().any(|record| record.id == id) {
            records.push(gone(id));
        }
        Ok(records)
    }

    async fn census(&self, _stream: &str, from: &Cursor) -> Result<Option<Census>, Fault> {
        let number = |key: &str| from.0.get(key).and_then(|text| text.parse::<usize>().ok());
        let (place, start) = (number(ENTITY).unwrap_or(0), number(START).unwrap_or(1));
        let Some(entity) = ENTITIES.get(place) else { return Ok(None) };
        let query = format!("SELECT * FROM {entity} ORDERBY Id STARTPOSITION {start} MAXRESULTS {MOST}");
        let answer = self.query(&query).await?;
        let objects = self.objects(&answer.body)?;
        let mut ids = Vec::new();
        for (_, raw) in &objects {
            let transaction: Transaction<'_> = read::json(raw).map_err(|error| self.client.garbage(&answer, error))?;
            let parts = transaction.line.iter().flat_map(|line| &line.linked_txn).filter(|_| *entity == "Payment");
            ids.extend(parts.map(|link| format!("{}:{}", transaction.id, link.txn_id)));
            ids.push(transaction.id);
        }
        let full = objects.len() == MOST;
        let (place, start) = if full { (place, start.saturating_add(MOST)) } else { (place.saturating_add(1), 1) };
        let next = Cursor([(ENTITY.to_owned(), place.to_string()), (START.to_owned(), start.to_string())].into());
        Ok(Some(Census { object: (*entity).into(), ids, next, more: place < ENTITIES.len() }))
    }
}

/// The cursor of a sweep that is about to begin.
fn beginning(since: Option<Timestamp>, now: Timestamp) -> Cursor {
    let mut cursor = Cursor([(ENTITY.to_owned(), "0".to_owned()), (BEGAN.to_owned(), now.to_string())].into());
    cursor.0.extend(since.map(|since| (FROM.to_owned(), since.to_string())));
    cursor.0.extend(since.map(|since| (STAMP.to_owned(), since.to_string())));
    cursor
}

impl QuickBooks {
    /// The next page of a sweep through every entity by the time of change.
    async fn sweep(&self, cursor: &Cursor) -> Result<Page, Fault> {
        let now = self.client.now();
        let text = |key: &str| cursor.0.get(key).cloned();
        let place = text(ENTITY).and_then(|place| place.parse::<usize>().ok()).unwrap_or(0);
        let (from, start) = (text(FROM), text(START).and_then(|start| start.parse::<usize>().ok()).unwrap_or(1));
        let entity = ENTITIES.get(place).copied().unwrap_or("Payment");
        let filter = from.as_ref().and_then(|from| from.parse::<Timestamp>().ok());
        let filter =
            filter.map(|from| format!(" WHERE MetaData.LastUpdatedTime >= '{}'", time(from))).unwrap_or_default();
        let query = format!(
            "SELECT * FROM {entity}{filter} ORDERBY MetaData.LastUpdatedTime STARTPOSITION {start} MAXRESULTS {MOST}"
        );
        let answer = self.query(&query).await?;
        let objects = self.objects(&answer.body)?;
        let (records, unreadable) = self.records(&objects).await?;
        let mut next = cursor.clone();
        next.0.remove(START);
        let last = records.iter().map(|record| record.at).max().map(|at| at.to_string());
        if objects.len() == MOST {
            // After the last change; within one second that is longer than a page, after the last row.
            match last.filter(|last| from.as_ref() != Some(last)) {
                Some(last) => next.0.insert(FROM.into(), last),
                None => next.0.insert(START.into(), start.saturating_add(MOST).to_string()),
            };
            return Ok(Page { records, unreadable, next, more: true, fresh_through: now });
        }
        let more = place.saturating_add(1) < ENTITIES.len();
        if more {
            next.0.insert(ENTITY.into(), place.saturating_add(1).to_string());
            next.0.remove(FROM);
            next.0.extend(text(STAMP).map(|since| (FROM.to_owned(), since)));
        } else {
            // The watermark is when the sweep began, not when it ended: a record that changed during the sweep is
            // read again.
            let began = text(BEGAN).unwrap_or_else(|| now.to_string());
            next = Cursor([(STAMP.to_owned(), began)].into());
        }
        Ok(Page { records, unreadable, next, more, fresh_through: now })
    }

    async fn changes(&self, since: Timestamp) -> Result<Objects, Fault> {
        let path = format!("cdc?entities={}&changedSince={}", ENTITIES.join(","), time(since));
        let answer = self.get(&path).await?;
        let unread = |error: serde_json::Error| self.client.garbage(&answer, error);
        let body: BTreeMap<String, &RawValue> = serde_json::from_str(&answer.body).map_err(unread)?;
        let mut objects = Vec::new();
        let missing = |name: &str| self.client.garbage(&answer, format!("{name} is missing"));
        let list = present(&body, "CDCResponse").ok_or_else(|| missing("CDCResponse"))?;
        let responses: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(unread)?;
        for response in responses {
            let inner: BTreeMap<String, &RawValue> = serde_json::from_str(response.get()).map_err(unread)?;
            let queries = present(&inner, "QueryResponse").ok_or_else(|| missing("QueryResponse"))?;
            let queries: Vec<&RawValue> = serde_json::from_str(queries.get()).map_err(unread)?;
            for query in queries {
                objects.extend(lists(query.get()).map_err(unread)?);
            }
        }
        Ok(objects)
    }

    /// Objects of an answer to a query.
    pub(crate) fn objects(&self, body: &str) -> Result<Objects, Fault> {
        let read = || -> Result<Objects, String> {
            let table: BTreeMap<String, &RawValue> = read::json(body)?;
            let inner = present(&table, "QueryResponse").ok_or("QueryResponse is missing")?;
            lists(inner.get()).map_err(|error| format!("QueryResponse: {error}"))
        };
        read().map_err(|reason| self.client.fault(Class::Misunderstood, reason, None))
    }

    /// Records of objects that were asked for: each of them can be read.
    async fn readable(&self, objects: &Objects) -> Result<Vec<SourceRecord>, Fault> {
        let (records, unreadable) = self.records(objects).await?;
        match unreadable.into_iter().next() {
            Some(record) => Err(self.client.fault(Class::Misunderstood, record.reason, None)),
            None => Ok(records),
        }
    }

    async fn records(&self, objects: &Objects) -> Result<(Vec<SourceRecord>, Vec<Unreadable>), Fault> {
        let numbers = self.paid_invoices(objects).await?;
        let applied = self.applied_numbers(objects).await?;
        self.learn_items(objects).await?;
        let income = self.income.lock().await.clone();
        let beside = Beside { numbers, applied, income };
        let (mut records, mut unreadable) = (Vec::new(), Vec::new());
        for (entity, raw) in objects.iter().filter(|(entity, _)| ENTITIES.contains(&entity.as_str())) {
            match self.read_object(entity, raw, &beside) {
                Ok(found) => records.extend(found),
                Err(reason) => {
                    let id = serde_json::from_str::<Transaction<'_>>(raw)
                        .map(|transaction| transaction.id)
                        .unwrap_or_default();
                    unreadable.push(Unreadable { object: entity.clone(), id, raw: raw.clone(), reason });
                }
            }
        }
        records.sort_by_key(|record| record.at);
        Ok((records, unreadable))
    }

    /// The invoices that payments name by id.
    async fn paid_invoices(&self, objects: &Objects) -> Result<BTreeMap<String, Paid>, Fault> {
        let mut numbers = BTreeMap::new();
        let mut asked = Vec::new();
        for (entity, raw) in objects {
            let Ok(transaction) = serde_json::from_str::<Transaction<'_>>(raw) else { continue };
            if entity == "Invoice" {
                numbers.extend(self.paid(&transaction).map(|paid| (transaction.id.clone(), paid)));
            } else if entity == "Payment" {
                let links = transaction.line.iter().flat_map(|line| &line.linked_txn);
                asked.extend(links.filter(|link| link.txn_type == "Invoice").map(|link| link.txn_id.clone()));
            }
        }
        asked.retain(|id| !numbers.contains_key(id));
        asked.sort();
        asked.dedup();
        for ids in asked.chunks(200) {
            let query = format!("SELECT * FROM Invoice WHERE Id IN ({}) MAXRESULTS {MOST}", listed(ids));
            let answer = self.query(&query).await?;
            for (_, raw) in self.objects(&answer.body)? {
                let Ok(transaction) = serde_json::from_str::<Transaction<'_>>(&raw) else { continue };
                numbers.extend(self.paid(&transaction).map(|paid| (transaction.id.clone(), paid)));
            }
        }
        Ok(numbers)
    }

    /// Income accounts of items other than ours, each read once.
    async fn learn_items(&self, objects: &Objects) -> Result<(), Fault> {
        let mut known = self.income.lock().await;
        let mut asked: Vec<String> = Vec::new();
        for (_, raw) in objects.iter().filter(|(entity, _)| entity == "Invoice" || entity == "CreditMemo") {
            let Ok(transaction) = serde_json::from_str::<Transaction<'_>>(raw) else { continue };
            let sold = transaction.line.into_iter().filter_map(|line| line.sales_item_line_detail);
            asked.extend(sold.filter(|sold| sold.item_account_ref.is_none()).map(|sold| sold.item_ref.value));
        }
        asked.retain(|id| !id.is_empty() && *id != self.settings.item && !known.contains_key(id));
        asked.sort();
        asked.dedup();
        for ids in asked.chunks(200) {
            let answer =
                self.query(&format!("SELECT * FROM Item WHERE Id IN ({}) MAXRESULTS {MOST}", listed(ids))).await?;
            // An item that is not shown (it may be inactive) is not asked for again and again.
            known.extend(ids.iter().map(|id| (id.clone(), String::new())));
            for (_, raw) in self.objects(&answer.body)? {
                if let Ok(item) = serde_json::from_str::<wire::Item>(&raw) {
                    known.insert(item.id, item.income_account_ref.value);
                }
            }
        }
        Ok(())
    }

    fn read_object(&self, entity: &str, raw: &str, beside: &Beside) -> Result<Vec<SourceRecord>, String> {
        let transaction: Transaction<'_> = read::json(raw)?;
        let stamp = &transaction.meta_data.last_updated_time;
        let at: Timestamp = stamp.parse().map_err(|error| format!("MetaData.LastUpdatedTime {stamp:?}: {error}"))?;
        // A document may change without a new token, and twice within the second that stamps show: what it says belongs to
        // its version.
        let record = |id: &str, content: Content| {
            let version = format!("{} {stamp} {}", transaction.sync_token, digest(raw, &content));
            self.record(entity, id, version, at, raw, content)
        };
        if transaction.status.as_deref() == Some("Deleted") {
            return Ok(vec![self.record(entity, &transaction.id, format!("deleted {stamp}"), at, raw, Content::Gone)]);
        }
        Ok(match entity {
            "Invoice" | "CreditMemo" => {
                vec![record(
                    &transaction.id,
                    Content::Invoice(self.invoice(&transaction, entity == "CreditMemo", beside)?),
                )]
            }
            "JournalEntry" => vec![record(&transaction.id, Content::Journal(self.entry(&transaction)?))],
            "Estimate" => vec![record(&transaction.id, Content::Order(self.order(&transaction)?))],
            _ => {
                let mut payments = Vec::new();
                for (invoice, payment) in self.payments(&transaction, &beside.numbers)? {
                    payments.push(record(&format!("{}:{invoice}", transaction.id), Content::Payment(payment)));
                }
                for (other, applied) in self.applied(&transaction, beside)? {
                    payments.push(record(&format!("{}:{other}", transaction.id), Content::Applied(applied)));
                }
                let ids = payments.iter().map(|payment| payment.id.clone()).collect();
                payments.push(record(&transaction.id, Content::Parts { ids }));
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

    pub(crate) fn custom(&self, transaction: &Transaction<'_>, definition: &str) -> Option<String> {
        let field = transaction.custom_field.iter().find(|field| field.definition_id == definition)?;
        field.string_value.clone().filter(|text| !text.is_empty())
    }

    pub(crate) fn currency(&self, transaction: &Transaction<'_>) -> String {
        transaction
            .currency_ref
            .as_ref()
            .filter(|currency| !currency.value.is_empty())
            .map_or_else(|| self.settings.home_currency.clone(), |currency| currency.value.clone())
    }

    /// What a payment has to know of the invoice that it pays.
    fn paid(&self, transaction: &Transaction<'_>) -> Option<Paid> {
        let asked = Asked { net: net(transaction).ok()?, total: transaction.total_amt.map(amount).transpose().ok()?? };
        Some(Paid {
            number: number(transaction)?,
            contract: self.custom(transaction, &self.settings.contract_field),
            asked,
        })
    }

    fn account(&self, name: &str) -> &str {
        self.settings.accounts.get(name).map(String::as_str).unwrap_or_default()
    }

    fn invoice(
        &self,
        transaction: &Transaction<'_>,
        credit_memo: bool,
        beside: &Beside,
    ) -> Result<InvoiceSeen, String> {
        let void = is_void(transaction);
        let paid = transaction.balance.map(amount).transpose()?.is_some_and(|balance| balance.0.is_zero());
        let (mut deferred, mut recognised) = (zero(), zero());
        for line in transaction.line.iter().filter(|_| !void) {
            let Some(sold) = &line.sales_item_line_detail else { continue };
            let amount = amount_of(line)?;
            let amount = if credit_memo { minus(amount) } else { amount };
            let item = if sold.item_ref.value == self.settings.item {
                Some(self.account("deferred_revenue"))
            } else {
                beside.income.get(&sold.item_ref.value).map(String::as_str)
            };
            let account = sold.item_account_ref.as_ref().map(|account| account.value.as_str()).or(item);
            if account == Some(self.account("deferred_revenue")) {
                deferred = plus(deferred, amount)?;
            } else if account == Some(self.account("revenue")) {
                recognised = plus(recognised, amount)?;
            }
        }
        Ok(InvoiceSeen {
            credit_memo,
            number: number(transaction).unwrap_or_default(),
            contract: self.custom(transaction, &self.settings.contract_field),
            milestone: self.custom(transaction, &self.settings.milestone_field),
            customer: self.customer_name(&transaction.customer_ref).ok_or("CustomerRef names no customer")?,
            currency: self.currency(transaction),
            date: date(transaction)?,
            amount: net(transaction)?,
            tax: tax(transaction)?,
            status: match (void, paid) {
                (true, _) => InvoiceStatus::Void,
                (false, true) => InvoiceStatus::Paid,
                (false, false) => InvoiceStatus::Open,
            },
            deferred: Some(deferred),
            recognised: Some(recognised),
            lines: Some(sold(transaction)?),
            applied_to: Vec::new(),
        })
    }

    fn entry(&self, transaction: &Transaction<'_>) -> Result<JournalSeen, String> {
        let (mut debits, mut deferred, date) = (zero(), zero(), date(transaction)?);
        let note = transaction.private_note.as_deref().unwrap_or_default();
        let (head, ours) = (Names::read(note), note.contains(OWN_ENTRY));
        let mut recognised = Vec::new();
        for line in &transaction.line {
            let Some(detail) = &line.journal_entry_line_detail else { continue };
            let amount = amount_of(line)?;
            let credit = detail.posting_type == "Credit";
            if !credit {
                debits = plus(debits, amount)?;
            }
            if detail.account_ref.value == self.account("deferred_revenue") {
                deferred = plus(deferred, if credit { amount } else { minus(amount) })?;
            }
            let named = line.description.as_deref().map(Names::read).and_then(|names| names.milestone);
            let milestone = named.or_else(|| head.milestone.clone());
            if let (true, Some(milestone)) =
                (credit && !ours && detail.account_ref.value == self.account("revenue"), milestone)
            {
                recognised.push(LegRecognition { milestone, date, amount });
            }
        }
        let of_line = || transaction.line.iter().find_map(|line| Names::read(line.description.as_deref()?).contract);
        let contract = head.contract.or_else(of_line);
        let unassigned = !ours && contract.is_none();
        let lines = if ours || unassigned { Some(self.posted(transaction)?) } else { None };
        Ok(JournalSeen {
            number: transaction.doc_number.clone().unwrap_or_default(),
            contract,
            date,
            currency: self.currency(transaction),
            amount: debits,
            deferred: Some(deferred),
            recognised,
            lines: if unassigned { on_ours(lines) } else { lines },
            customer: if unassigned { self.customer_of_entry(transaction) } else { None },
            applied_to: Vec::new(),
            posted: true,
        })
    }

    /// The customer whom a line on one of our accounts names.
    fn customer_of_entry(&self, transaction: &Transaction<'_>) -> Option<String> {
        let details = transaction.line.iter().filter_map(|line| line.journal_entry_line_detail.as_ref());
        let ours = details.filter(|detail| self.settings.accounts.values().any(|id| *id == detail.account_ref.value));
        let mut named = ours.filter_map(|detail| detail.entity.as_ref()).filter(|entity| entity.kind == "Customer");
        named.find_map(|entity| self.customer_name(&entity.entity_ref))
    }

    fn order(&self, transaction: &Transaction<'_>) -> Result<OrderSeen, String> {
        // An estimate's line says which milestone it is: `M2: requirements document`.
        let milestones = transaction.line.iter().filter_map(|line| {
            let (id, description) = line.description.as_deref()?.split_once(": ")?;
            Some(LegMilestone {
                id: id.into(),
                amount: line.amount.and_then(|raw| amount(raw).ok()),
                description: Some(description.into()),
                ..LegMilestone::default()
            })
        });
        let term = transaction.sales_term_ref.as_ref().and_then(|term| {
            self.settings.terms.iter().find(|(_, id)| **id == term.value).map(|(name, _)| name.clone())
        });
        Ok(OrderSeen {
            contract: self.custom(transaction, &self.settings.contract_field),
            customer: self.customer_name(&transaction.customer_ref),
            currency: Some(self.currency(transaction)),
            amount: Some(net(transaction)?),
            payment_terms: term,
            version: transaction.private_note.as_deref().and_then(|note| Names::read(note).version),
            milestones: milestones.collect(),
        })
    }

    /// What a payment pays, invoice by invoice. What it applies along the way and is no money (credit memos, entries of a
    /// write-off, deposits) pays first.
    fn payments(
        &self,
        transaction: &Transaction<'_>,
        numbers: &BTreeMap<String, Paid>,
    ) -> Result<Vec<(String, PaymentSeen)>, String> {
        // An invoice may stand on several lines of a payment.
        let mut applied: Vec<(&str, DecimalText)> = Vec::new();
        let mut credit = zero();
        for line in &transaction.line {
            for link in &line.linked_txn {
                let amount = amount_of(line)?;
                match (link.txn_type.as_str(), applied.iter_mut().find(|(id, _)| *id == link.txn_id)) {
                    ("CreditMemo", _) => credit = plus(credit, amount)?,
                    ("Invoice", Some((_, sum))) => *sum = plus(*sum, amount)?,
                    ("Invoice", None) => applied.push((&link.txn_id, amount)),
                    _ => {}
                }
            }
        }
        if let (Some(total), Some(unapplied)) = (transaction.total_amt, transaction.unapplied_amt) {
            let money = plus(amount(total)?, minus(amount(unapplied)?))?;
            let all = applied.iter().try_fold(zero(), |all, (_, sum)| plus(all, *sum))?;
            credit = credit.max(plus(all, minus(money))?);
        }
        let mut payments = Vec::new();
        for (id, sum) in applied {
            let Some(paid_one) = numbers.get(id) else { continue };
            let by_credit = credit.0.min(sum.0);
            credit = plus(credit, DecimalText(-by_credit))?;
            let paid = plus(sum, DecimalText(-by_credit))?;
            if !paid.0.is_zero() {
                let (currency, date) = (self.currency(transaction), date(transaction)?);
                let Paid { number: invoice, contract, asked } = paid_one.clone();
                let amount = asked.net_of(paid, &currency);
                let seen = PaymentSeen { invoice, currency, date, amount, contract };
                payments.push((id.to_owned(), seen));
            }
        }
        Ok(payments)
    }
}

impl QuickBooks {
    /// Numbers of credit memos and entries that payments apply, by entity and id: a link names these alone.
    async fn applied_numbers(&self, objects: &Objects) -> Result<BTreeMap<(String, String), String>, Fault> {
        let (mut numbers, mut asked) = (BTreeMap::new(), BTreeMap::from([(CREDIT, Vec::new()), (ENTRY, Vec::new())]));
        for (entity, raw) in objects {
            let Ok(transaction) = serde_json::from_str::<Transaction<'_>>(raw) else { continue };
            if [CREDIT, ENTRY].contains(&entity.as_str()) {
                numbers.extend(number(&transaction).map(|number| ((entity.clone(), transaction.id.clone()), number)));
            }
            for link in transaction.line.iter().flat_map(|line| &line.linked_txn).filter(|_| entity == "Payment") {
                asked.get_mut(link.txn_type.as_str()).into_iter().for_each(|ids| ids.push(link.txn_id.clone()));
            }
        }
        for (entity, mut ids) in asked {
            ids.retain(|id| !numbers.contains_key(&(entity.to_owned(), id.clone())));
            ids.sort();
            ids.dedup();
            for ids in ids.chunks(200) {
                let query = format!("SELECT * FROM {entity} WHERE Id IN ({}) MAXRESULTS {MOST}", listed(ids));
                for (entity, raw) in self.objects(&self.query(&query).await?.body)? {
                    let Ok(transaction) = serde_json::from_str::<Transaction<'_>>(&raw) else { continue };
                    numbers.extend(number(&transaction).map(|number| ((entity, transaction.id.clone()), number)));
                }
            }
        }
        Ok(numbers)
    }

    /// What a payment applies to invoices that is no money, by its id. A link to an entry may be a debit that is paid with the
    /// invoices: it is a credit where the invoices are paid by more than money and credit memos.
    fn applied(&self, transaction: &Transaction<'_>, beside: &Beside) -> Result<BTreeMap<String, AppliedSeen>, String> {
        let (mut invoices, mut applied) = (Vec::new(), BTreeMap::new());
        let (mut paid, mut credited) = (zero(), zero());
        for line in &transaction.line {
            for link in &line.linked_txn {
                let sum = amount_of(line)?;
                let what = match link.txn_type.as_str() {
                    "Invoice" => {
                        paid = plus(paid, sum)?;
                        invoices.extend(beside.numbers.get(&link.txn_id).map(|paid| paid.number.clone()));
                        continue;
                    }
                    CREDIT => Applied::CreditMemo,
                    ENTRY => Applied::Entry,
                    _ => continue,
                };
                if what == Applied::CreditMemo {
                    credited = plus(credited, sum)?;
                }
                let key = (link.txn_type.clone(), link.txn_id.clone());
                let number = beside.applied.get(&key).unwrap_or(&link.txn_id).clone();
                let (currency, date) = (self.currency(transaction), date(transaction)?);
                let seen = AppliedSeen { what, number, invoices: Vec::new(), currency, date, amount: sum };
                applied.insert(link.txn_id.clone(), seen);
            }
        }
        let money = match (transaction.total_amt, transaction.unapplied_amt) {
            (Some(total), Some(left)) => plus(amount(total)?, minus(amount(left)?))?,
            (Some(total), None) => amount(total)?,
            _ => paid,
        };
        let by_entries = plus(paid, minus(plus(money, credited)?))?;
        applied.retain(|_, seen: &mut AppliedSeen| seen.what == Applied::CreditMemo || by_entries > zero());
        invoices.dedup();
        applied.values_mut().for_each(|seen| seen.invoices.clone_from(&invoices));
        Ok(if invoices.is_empty() { BTreeMap::new() } else { applied })
    }
}

/// Lines on accounts that we write to; `None`: there are none.
fn on_ours(lines: Option<Vec<Line>>) -> Option<Vec<Line>> {
    let mut lines = lines?;
    lines.retain(|line| !line.says.contains(" account "));
    Some(lines).filter(|lines| !lines.is_empty())
}

/// What stands beside the objects of an answer.
struct Beside {
    /// Numbers of invoices, by id.
    numbers: BTreeMap<String, Paid>,
    /// Numbers of credit memos and entries that payments apply, by entity and id.
    applied: BTreeMap<(String, String), String>,
    /// Income accounts of items, by id.
    income: BTreeMap<String, String>,
}

/// A member that is there, and is not null.
fn present<'a>(table: &BTreeMap<String, &'a RawValue>, name: &str) -> Option<&'a RawValue> {
    table.get(name).copied().filter(|raw| raw.get() != "null")
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

/// A time in a request.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn amount(raw: &RawValue) -> Result<DecimalText, String> {
    exact_decimal(raw.get().trim_matches('"')).ok_or_else(|| format!("{} is not an amount", raw.get()))
}

/// What a line is about: one that sells, posts or pays says how much.
fn amount_of(line: &wire::Line<'_>) -> Result<DecimalText, String> {
    line.amount.map(amount).transpose()?.ok_or_else(|| "Line.Amount is missing".into())
}

/// A sum; foreign amounts may be of any size.
pub(crate) fn plus(one: DecimalText, other: DecimalText) -> Result<DecimalText, String> {
    one.0.checked_add(other.0).map(DecimalText).ok_or_else(|| format!("{one} and {other} are too large"))
}

fn minus(amount: DecimalText) -> DecimalText {
    DecimalText(-amount.0)
}

fn zero() -> DecimalText {
    DecimalText::default()
}

/// QuickBooks marks a void sale in its note and keeps it with amounts of nothing.
pub(crate) fn is_void(transaction: &Transaction<'_>) -> bool {
    transaction.private_note.as_deref().is_some_and(|note| note.starts_with("Voided"))
}

/// What QuickBooks has added as tax.
fn tax(transaction: &Transaction<'_>) -> Result<Option<DecimalText>, String> {
    transaction.txn_tax_detail.as_ref().and_then(|tax| tax.total_tax).map(amount).transpose()
}

/// The total without tax: what was billed by the agreement.
pub(crate) fn net(transaction: &Transaction<'_>) -> Result<DecimalText, String> {
    let total = amount(transaction.total_amt.ok_or("TotalAmt is missing")?)?;
    let tax = tax(transaction)?;
    Ok(DecimalText(plus(total, minus(tax.unwrap_or_else(zero)))?.0.normalize()))
}

/// Lines of a sale; a subtotal is none.
pub(crate) fn sold(transaction: &Transaction<'_>) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for line in transaction.line.iter().filter(|line| line.sales_item_line_detail.is_some()) {
        let amount = amount_of(line)?;
        lines.push(Line { says: line.description.clone().unwrap_or_default(), amount });
    }
    Ok(lines)
}

pub(crate) fn date(transaction: &Transaction<'_>) -> Result<jiff::civil::Date, String> {
    let text = transaction.txn_date.as_deref().unwrap_or_default();
    text.parse().map_err(|error| format!("TxnDate {text:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_entries_and_preferences_are_read() {
        let fixture = |name: &str| {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
            std::fs::read_to_string(folder.join(name)).unwrap()
        };
        let text = fixture("qbo_journalentry_request_fyle.json");
        let entry: wire::Entry<'_> = serde_json::from_str(&text).unwrap();
        let amounts: Vec<String> =
            entry.line.iter().map(|line| amount(line.amount.unwrap()).unwrap().to_string()).collect();
        assert!(!amounts.is_empty() && entry.line.iter().all(|line| line.journal_entry_line_detail.is_some()));
        let text = fixture("qbo_preferences_response_fyle.json");
        let preferences: wire::Preferences = serde_json::from_str(&text).unwrap();
        assert!(preferences.accounting_info_prefs.book_close_date.is_some());
    }

    #[test]
    fn tax_is_no_part_of_what_was_billed() {
        let read = |text: &str| net(&serde_json::from_str::<Transaction<'_>>(text).unwrap()).unwrap().to_string();
        assert_eq!(read(r#"{"Id":"1","TotalAmt":4943.56,"TxnTaxDetail":{"TotalTax":448.40}}"#), "4495.16");
        assert_eq!(read(r#"{"Id":"1","TotalAmt":100}"#), "100");
    }

    #[test]
    fn an_amount_keeps_its_digits() {
        let read = |text: &str| amount(serde_json::from_str(text).unwrap()).map(|amount| amount.to_string());
        assert_eq!(read("362.07"), Ok("362.07".into()));
        assert_eq!(read("9007199254740993.01"), Ok("9007199254740993.01".into()));
        assert!(read("\"many\"").is_err());
    }
}
