//! Reading records: what changed, what hangs on what changed, and now and then everything.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use milestoned_connector_kit::{AttachedFile, Census, Class, Cursor, Fault, Page, Source, Unreadable};
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::record::{Content, SourceRecord};
use serde_json::Value;

use super::approvals::Decisions;
use super::history::Histories;
use super::query::{is_id, listed};
use super::sweep::{Question, Swept, begun, is_under_way};
use super::{CURRENCY, DEAL, FILES, OPTIONAL, Salesforce, wire};

/// Streams in such an order that those of every connection stand side by side.
const STREAMS: &[&str] = &["files", "reread", "records", "line_items"];
/// Key of the instant at which everything is read again.
const DUE: &str = "due";
/// Object of the products of an opportunity.
const LINE_ITEM: &str = "OpportunityLineItem";
/// Key of the last id of a census.
const LAST: &str = "last";
/// Ids of a page of a census.
const ROWS: usize = 2_000;
/// Records that webhooks named and that are asked for at once.
const TOGETHER: usize = 200;
/// Characters of an id that tell one record from another; the rest guards against a change of case.
const SHORT_ID: usize = 15;
/// Records that are asked for by their ids at once.
const AT_ONCE: usize = 1_000;

impl Source for Salesforce {
    /// Its records are milestones.
    fn tells_acceptance(&self) -> bool {
        self.reads.status.is_some()
    }

    fn page_of(&self, _object: &str, id: &str) -> Option<String> {
        Some(format!("{}/{id}", self.settings.base_url.trim_end_matches('/')))
    }

    fn streams(&self) -> &'static [&'static str] {
        let first = usize::from(!self.reads.files);
        let last = if self.has_line_items() { 4 } else { 3 };
        STREAMS.get(first..last).unwrap_or(STREAMS)
    }

    async fn pull(&self, stream: &str, from: &Cursor) -> Result<Page, Fault> {
        let now = self.client.now();
        match stream {
            // Records are read with their files and as their products left them: the others begin now.
            "files" | "line_items" if from.0.is_empty() => Ok(nothing(begun(now), now)),
            "reread" if !is_under_way(from) && self.rests(from, now) => {
                let due = from.0.get(DUE).cloned().unwrap_or_else(|| self.reread_due(now));
                Ok(nothing(Cursor([(DUE.to_owned(), due)].into()), now))
            }
            _ => {
                self.spare(!is_under_way(from)).await?;
                match stream {
                    "files" => self.beside(from, "ContentVersion", "ContentDocumentId").await,
                    "line_items" => self.beside(from, LINE_ITEM, "OpportunityId").await,
                    "reread" => self.again(from).await,
                    _ => self.changed(from).await,
                }
            }
        }
    }

    async fn read(&self, object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        if !is_id(id) {
            return Err(self.client.fault(Class::Refused, format!("{id:?} is no id"), None));
        }
        if object == LINE_ITEM && self.has_line_items() {
            let query = format!("SELECT OpportunityId FROM {LINE_ITEM} WHERE Id = '{id}'");
            let items: Vec<wire::LineItem> = self.all(&query).await?;
            return self.records_of(&items.into_iter().filter_map(|item| item.opportunity).collect()).await;
        }
        if object != self.settings.object {
            return Ok(Vec::new());
        }
        let records = self.read_rows(&format!("Id = '{id}'")).await?;
        let now = self.client.now();
        Ok(if records.is_empty() { vec![self.gone(id, now, format!("gone {now}"))] } else { records })
    }

    /// Records of the object itself are asked for together; what hangs on one leads to it one by one.
    async fn read_each(&self, object: &str, ids: &[&str]) -> Vec<Result<Vec<SourceRecord>, Fault>> {
        let mut outcomes = Vec::with_capacity(ids.len());
        if object != self.settings.object {
            for id in ids {
                outcomes.push(self.read(object, id).await);
            }
            return outcomes;
        }
        for some in ids.chunks(TOGETHER) {
            let list = listed(some.iter().copied());
            let read = match list.is_empty() {
                true => Ok(Vec::new()),
                false => self.read_rows(&format!("Id IN ({list})")).await,
            };
            outcomes.extend(some.iter().map(|id| match &read {
                _ if !is_id(id) => Err(self.client.fault(Class::Refused, format!("{id:?} is no id"), None)),
                Ok(records) => {
                    // Salesforce writes an id with 15 or with 18 characters: the first 15 are the same.
                    let own = |record: &&SourceRecord| record.id.get(..SHORT_ID) == id.get(..SHORT_ID);
                    let now = self.client.now();
                    let gone = || self.gone(id, now, format!("gone {now}"));
                    Ok(vec![records.iter().find(own).cloned().unwrap_or_else(gone)])
                }
                Err(fault) => Err(fault.clone()),
            }));
        }
        outcomes
    }

    fn brings_documents(&self) -> bool {
        self.settings.documents
    }

    fn attached(&self, raw: &str) -> Vec<AttachedFile> {
        if self.settings.documents { super::files::of_won_deal(raw) } else { Vec::new() }
    }

    async fn fetch(&self, file: &AttachedFile) -> Result<Vec<u8>, Fault> {
        if !is_id(&file.id) {
            return Err(self.client.fault(Class::Refused, format!("{:?} is no id", file.id), None));
        }
        self.spare(true).await?;
        self.download(&self.data(&format!("sobjects/ContentVersion/{}/VersionData", file.id))).await
    }

    /// What was purged leaves nothing behind, not even among the deleted; and a record may leave the filter unseen.
    async fn census(&self, stream: &str, from: &Cursor) -> Result<Option<Census>, Fault> {
        if stream != "records" {
            return Ok(None);
        }
        self.spare(from.0.is_empty()).await?;
        let after = from.0.get(LAST).filter(|id| is_id(id)).map(|id| format!(" AND Id > '{id}'")).unwrap_or_default();
        let query = format!(
            "SELECT Id FROM {} WHERE ({}){after} ORDER BY Id LIMIT {ROWS}",
            self.settings.object,
            self.filter()
        );
        let ids: Vec<String> = self.all(&query).await?.into_iter().map(|row: wire::OnlyId| row.id).collect();
        let next = Cursor(ids.last().map(|id| (LAST.to_owned(), id.clone())).into_iter().collect());
        let more = ids.len() >= ROWS;
        Ok(Some(Census { object: self.settings.object.clone(), ids, next, more }))
    }
}

/// What stands beside records, by their ids.
struct Beside {
    /// Their files, as JSON.
    files: BTreeMap<String, String>,
    /// The history of their statuses.
    histories: Histories,
    /// What approval processes decided about them.
    decisions: Decisions,
}

fn nothing(next: Cursor, now: Timestamp) -> Page {
    Page { records: Vec::new(), unreadable: Vec::new(), next, more: false, fresh_through: now }
}

impl Salesforce {
    fn has_line_items(&self) -> bool {
        self.settings.line_items && self.settings.object == DEAL
    }

    fn rests(&self, from: &Cursor, now: Timestamp) -> bool {
        from.0.get(DUE).and_then(|due| due.parse::<Timestamp>().ok()).is_none_or(|due| now < due)
    }

    fn reread_due(&self, now: Timestamp) -> String {
        now.checked_add(self.settings.reread_every).unwrap_or(now).to_string()
    }

    /// Which records are ours.
    pub(crate) fn filter(&self) -> String {
        self.settings.filter.clone().unwrap_or_else(|| match self.tells_acceptance() {
            true => format!("{} != null", self.reads.contract),
            // Derived by Salesforce; a stage's label can be edited.
            false => format!("IsWon = true OR {} != null", self.reads.contract),
        })
    }

    fn columns(&self) -> String {
        let mut columns: BTreeSet<&str> = ["Id", "SystemModstamp", "IsDeleted"].into();
        columns.extend(self.reads.fields.iter().map(String::as_str).filter(|field| !self.is_absent(field)));
        columns.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// What changed.
    async fn changed(&self, from: &Cursor) -> Result<Page, Fault> {
        let filter = self.filter();
        let question = |columns| Question { object: &self.settings.object, columns, filter: Some(&filter) };
        let swept = match self.sweep(&question(self.columns()), from).await {
            Err(fault) if fault.has_code("INVALID_FIELD") && self.lacks_optional().await? => {
                self.sweep(&question(self.columns()), from).await?
            }
            other => other?,
        };
        self.paged(swept).await
    }

    /// Everything again. Versions that are known are dropped by the caller.
    async fn again(&self, from: &Cursor) -> Result<Page, Fault> {
        let mut under_way = from.clone();
        under_way.0.remove(DUE);
        let mut page = self.changed(&under_way).await?;
        if !page.more {
            page.next = Cursor([(DUE.to_owned(), self.reread_due(self.client.now()))].into());
        }
        Ok(page)
    }

    /// Records on which something changed that does not move their own stamp.
    async fn beside(&self, from: &Cursor, object: &str, parent: &str) -> Result<Page, Fault> {
        let columns = format!("Id, IsDeleted, {parent}, SystemModstamp");
        let swept = self.sweep(&Question { object, columns, filter: None }, from).await?;
        let mut parents = BTreeSet::new();
        for (_, _, raw) in &swept.rows {
            let row: Value = serde_json::from_str(raw).unwrap_or_default();
            parents.extend(row.get(parent).and_then(Value::as_str).map(str::to_owned));
        }
        if object != LINE_ITEM {
            parents = self.linked_records(&parents).await?;
        }
        let records = self.records_of(&parents).await?;
        Ok(Page { records, unreadable: Vec::new(), next: swept.next, more: swept.more, fresh_through: swept.until })
    }

    /// Optional fields are taken out of the question where the org lacks them. Whether one was found missing.
    async fn lacks_optional(&self) -> Result<bool, Fault> {
        let described = self.describe(&self.settings.object).await?;
        let mut missing = OPTIONAL.map(str::to_owned).to_vec();
        missing.retain(|field| {
            self.reads.fields.contains(field)
                && !self.is_absent(field)
                && !described.fields.iter().any(|known| known.name == *field)
        });
        let found = !missing.is_empty();
        if let Ok(mut absent) = self.absent.lock() {
            absent.extend(missing);
        }
        Ok(found)
    }

    async fn paged(&self, swept: Swept) -> Result<Page, Fault> {
        let ids = swept.rows.iter().filter(|(head, ..)| !head.deleted).map(|(head, ..)| head.id.as_str());
        let ids: Vec<&str> = ids.collect();
        let beside = self.beside_of(&ids).await?;
        let object = &self.settings.object;
        let no_row = |(raw, reason)| Unreadable { object: object.clone(), id: String::new(), raw, reason };
        let mut unreadable: Vec<Unreadable> = swept.unreadable.into_iter().map(no_row).collect();
        let mut records = Vec::new();
        for (head, at, raw) in &swept.rows {
            match self.record(head, *at, raw, &beside) {
                Ok(record) => records.push(record),
                Err(reason) => {
                    unreadable.push(Unreadable {
                        object: object.clone(),
                        id: head.id.clone(),
                        raw: raw.clone(),
                        reason,
                    });
                }
            }
        }
        Ok(Page { records, unreadable, next: swept.next, more: swept.more, fresh_through: swept.until })
    }

    async fn records_of(&self, ids: &BTreeSet<String>) -> Result<Vec<SourceRecord>, Fault> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).filter(|id| is_id(id)).collect();
        let mut records = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            let list = listed(some.iter().copied());
            records.extend(self.read_rows(&format!("Id IN ({list}) AND ({})", self.filter())).await?);
        }
        Ok(records)
    }

    async fn read_rows(&self, condition: &str) -> Result<Vec<SourceRecord>, Fault> {
        let query = |columns: String| format!("SELECT {columns} FROM {} WHERE {condition}", self.settings.object);
        let rows = match self.all_rows(&query(self.columns())).await {
            Err(fault) if fault.has_code("INVALID_FIELD") && self.lacks_optional().await? => {
                self.all_rows(&query(self.columns())).await?
            }
            other => other?,
        };
        let mut heads = Vec::new();
        for raw in &rows {
            let unreadable = |reason: String| self.client.fault(Class::Misunderstood, reason, None);
            let head: wire::Head = serde_json::from_str(raw).map_err(|error| unreadable(error.to_string()))?;
            let at = head.stamp.parse().map_err(|error| unreadable(format!("SystemModstamp: {error}")))?;
            heads.push((head, at, raw));
        }
        let ids: Vec<&str> = heads.iter().map(|(head, ..)| head.id.as_str()).collect();
        let beside = self.beside_of(&ids).await?;
        let record = |(head, at, raw): &(wire::Head, Timestamp, &String)| {
            let read = self.record(head, *at, raw, &beside);
            read.map_err(|reason| self.client.fault(Class::Misunderstood, format!("{}: {reason}", head.id), None))
        };
        heads.iter().map(record).collect()
    }

    /// What stands beside records.
    async fn beside_of(&self, ids: &[&str]) -> Result<Beside, Fault> {
        Ok(Beside {
            files: self.files(ids.iter().copied()).await?,
            histories: self.histories(ids.iter().copied()).await?,
            decisions: self.decisions(ids).await?,
        })
    }

    fn record(
        &self,
        head: &wire::Head,
        at: Timestamp,
        raw: &str,
        Beside { files, histories, decisions }: &Beside,
    ) -> Result<SourceRecord, String> {
        if head.deleted {
            return Ok(self.gone(&head.id, at, format!("{} deleted", head.stamp)));
        }
        let mut raw = raw.to_owned();
        if let Some(currency) = &self.settings.currency {
            add(&mut raw, CURRENCY, &Value::String(currency.clone()).to_string());
        }
        if let Some(files) = files.get(&head.id) {
            add(&mut raw, FILES, files);
        }
        // Formulas, related records and files leave the stamp as it is: what the record says belongs to its version.
        let digest: String = DeliveryKey::of(&[&raw]).as_str().chars().take(12).collect();
        let version = format!("{} {digest}", head.stamp);
        let history = self.led_to(&raw, &version, at, (histories.get(&head.id), decisions.get(&head.id)))?;
        Ok(SourceRecord {
            system: self.client.system().into(),
            object: self.settings.object.clone(),
            id: head.id.clone(),
            version,
            at,
            raw,
            content: Content::Fields { history },
        })
    }

    fn gone(&self, id: &str, at: Timestamp, version: String) -> SourceRecord {
        SourceRecord::gone(self.client.system(), &self.settings.object, id, version, at)
    }
}

/// Adds a member to the text of an object.
pub(crate) fn add(object: &mut String, name: &str, value: &str) {
    if object.ends_with('}') {
        object.pop();
        let comma = if object.trim_end().ends_with('{') { "" } else { "," };
        object.push_str(&format!("{comma}\"{name}\":{value}}}"));
    }
}
