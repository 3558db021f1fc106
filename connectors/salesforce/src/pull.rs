//! Reading deals: from the newest stamp less an overlap up to now less a lag, in order of stamp and id. The watermark
//! moves to the newest stamp that was read, never to "now".

use jiff::Timestamp;
use milestoned_connector_kit::{Class, Cursor, Fault, Page, Source, Unreadable};
use milestoned_mapping::record::{Content, SourceRecord};
use reqwest::Method;

use super::{Salesforce, soql_instant, wire};

/// Key of the newest stamp in the cursor.
const STAMP: &str = "stamp";

impl Source for Salesforce {
    fn streams(&self) -> &'static [&'static str] {
        &["deals"]
    }

    async fn pull(&self, _stream: &str, from: &Cursor) -> Result<Page, Fault> {
        let since = from.0.get(STAMP).and_then(|text| text.parse::<Timestamp>().ok());
        let until = self.client.now().saturating_sub(self.settings.lag).unwrap_or(Timestamp::MIN);
        let query = self.query(since, until);
        // A query locator dies with its session: all pages are read here, and only the stamp is kept.
        let mut page = match self.pages(&query).await {
            Err(fault) if fault.class == Class::Refused && fault.detail.contains("INVALID_QUERY_LOCATOR") => {
                self.pages(&query).await?
            }
            other => other?,
        };
        let newest = page.records.iter().map(|record| record.at).max().into_iter().chain(since).max();
        page.next = newest.map(|stamp| Cursor([(STAMP.to_owned(), stamp.to_string())].into())).unwrap_or_default();
        page.fresh_through = until;
        Ok(page)
    }

    async fn read(&self, object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        let fields = self.columns().join(",");
        let path = self.data(&format!("query/?q=SELECT+{fields}+FROM+{object}+WHERE+Id='{id}'"));
        let page = self.page(&path).await?.0;
        Ok(if page.records.is_empty() {
            vec![self.gone(object, id, self.client.now(), self.client.now().to_string())]
        } else {
            page.records
        })
    }
}

impl Salesforce {
    fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = ["Id", "SystemModstamp", "IsDeleted"].map(Into::into).to_vec();
        columns.extend(self.fields.iter().cloned());
        columns.push(self.settings.contract_field.clone());
        columns.sort();
        columns.dedup();
        columns
    }

    fn query(&self, since: Option<Timestamp>, until: Timestamp) -> String {
        let own = format!("(IsWon = true OR {} != null)", self.settings.contract_field);
        let filter = self.settings.filter.as_deref().unwrap_or(&own);
        let from = since.and_then(|since| since.checked_sub(self.settings.overlap).ok());
        let from = from.map(|from| format!(" AND SystemModstamp >= {}", soql_instant(from))).unwrap_or_default();
        format!(
            "SELECT {} FROM {} WHERE {filter}{from} AND SystemModstamp < {} ORDER BY SystemModstamp, Id",
            self.columns().join(", "),
            self.settings.object,
            soql_instant(until)
        )
    }

    async fn pages(&self, query: &str) -> Result<Page, Fault> {
        // queryAll also shows what is in the recycle bin.
        let mut url = reqwest::Url::parse("http://query/")
            .map_err(|error| self.client.fault(Class::Refused, error.to_string(), None))?;
        url.query_pairs_mut().append_pair("q", query);
        let mut path = self.data(&format!("queryAll/?{}", url.query().unwrap_or_default()));
        let mut all: Option<Page> = None;
        loop {
            let (page, next) = self.page(&path).await?;
            all = Some(match all {
                None => page,
                Some(mut all) => {
                    all.records.extend(page.records);
                    all.unreadable.extend(page.unreadable);
                    all
                }
            });
            match next {
                Some(next) => path = next,
                None => return all.ok_or_else(|| self.client.fault(Class::Misunderstood, "no page", None)),
            }
        }
    }

    async fn page(&self, path: &str) -> Result<(Page, Option<String>), Fault> {
        let answer = self.send(false, || self.client.request(Method::GET, path)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let read: wire::QueryPage<'_> =
            serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let mut page = Page {
            records: Vec::new(),
            unreadable: Vec::new(),
            next: Cursor::default(),
            more: false,
            fresh_through: self.client.now(),
        };
        for raw in &read.records {
            match self.record(raw.get()) {
                Ok(record) => page.records.push(record),
                Err(reason) => page.unreadable.push(Unreadable {
                    object: self.settings.object.clone(),
                    id: String::new(),
                    raw: raw.get().into(),
                    reason,
                }),
            }
        }
        let next = if read.done { None } else { read.next };
        Ok((page, next))
    }

    fn record(&self, raw: &str) -> Result<SourceRecord, String> {
        let head: wire::Head = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        let at: Timestamp = head.stamp.parse().map_err(|error| format!("SystemModstamp: {error}"))?;
        if head.deleted {
            return Ok(self.gone(&self.settings.object, &head.id, at, format!("{} deleted", head.stamp)));
        }
        Ok(SourceRecord {
            system: self.client.system().into(),
            object: self.settings.object.clone(),
            id: head.id,
            version: head.stamp,
            at,
            raw: raw.into(),
            content: Content::Fields { history: Vec::new() },
        })
    }

    fn gone(&self, object: &str, id: &str, at: Timestamp, version: String) -> SourceRecord {
        let system = self.client.system().into();
        SourceRecord {
            system,
            object: object.into(),
            id: id.into(),
            version,
            at,
            raw: "{}".into(),
            content: Content::Gone,
        }
    }
}
