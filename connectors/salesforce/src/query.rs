//! Asking in SOQL: one page at a time, long questions in the body of a composite request.

use milestoned_connector_kit::http::{Answer, Kind};
use milestoned_connector_kit::{Class, Fault, read};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Salesforce, wire};

/// Longest address that is sent; Salesforce takes 16,384 bytes.
const ADDRESS: usize = 12_000;
/// Pages of a question whose rows are needed at once.
const PAGES: usize = 100;

/// A page of an answer.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Records, verbatim.
    pub(crate) rows: Vec<String>,
    /// Where the next page is, for as long as the query locator lives.
    pub(crate) next: Option<String>,
}

impl Salesforce {
    /// Asks a question. `all`: deleted records too.
    pub(crate) async fn ask(&self, soql: &str, all: bool) -> Result<Rows, Fault> {
        self.answered(soql, all).await.map_err(|fault| match fault.has_code("INVALID_FIELD") {
            // Which object is meant the refusal says of some fields alone.
            true => Fault { detail: format!("{}; asked: {soql}", fault.detail), ..fault },
            false => fault,
        })
    }

    async fn answered(&self, soql: &str, all: bool) -> Result<Rows, Fault> {
        let resource = if all { "queryAll" } else { "query" };
        let mut url = Url::parse("http://query/").map_err(|error| self.garbled(&error.to_string()))?;
        url.query_pairs_mut().append_pair("q", soql);
        let path = self.data(&format!("{resource}/?{}", url.query().unwrap_or_default()));
        if path.len() <= ADDRESS {
            return self.page(&path).await;
        }
        let body = json!({ "compositeRequest": [{ "method": "GET", "url": path, "referenceId": "question" }] });
        let composite = self.data("composite");
        let answer = self.send(Kind::Read, || self.client.request(Method::POST, &composite).json(&body)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let parts: wire::Composite<'_> =
            read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let part =
            parts.parts.first().ok_or_else(|| self.client.garbage(&answer, "a composite answer without parts"))?;
        let inner = Answer {
            status: StatusCode::from_u16(part.status).map_err(|error| self.client.garbage(&answer, error))?,
            headers: answer.headers.clone(),
            body: part.body.map(|body| body.get().to_owned()).unwrap_or_default(),
        };
        self.rows(&inner)
    }

    /// A page at an address of its own, such as the next one of a query locator.
    pub(crate) async fn page(&self, path: &str) -> Result<Rows, Fault> {
        // The address comes from an answer or a stored cursor: the session goes nowhere else.
        if !path.starts_with("/services/data/") {
            return Err(self.garbled(&format!("{path:?} is no address of a page")));
        }
        let answer = self.send(Kind::Read, || self.client.request(Method::GET, path)).await?;
        self.rows(&answer)
    }

    fn rows(&self, answer: &Answer) -> Result<Rows, Fault> {
        if !answer.status.is_success() {
            return Err(self.refused(answer));
        }
        let page: wire::QueryPage<'_> = read::json(&answer.body).map_err(|error| self.client.garbage(answer, error))?;
        let next = if page.done { None } else { page.next };
        Ok(Rows { rows: page.records.iter().map(|raw| raw.get().to_owned()).collect(), next })
    }

    pub(crate) fn garbled(&self, said: &str) -> Fault {
        self.client.fault(Class::Misunderstood, said, None)
    }

    /// Every row of a small answer, verbatim.
    pub(crate) async fn all_rows(&self, soql: &str) -> Result<Vec<String>, Fault> {
        let mut rows = self.ask(soql, false).await?;
        let mut all = std::mem::take(&mut rows.rows);
        for _ in 0..PAGES {
            let Some(next) = rows.next else { return Ok(all) };
            rows = self.page(&next).await?;
            all.append(&mut rows.rows);
        }
        Err(self.garbled("the pages of an answer do not end"))
    }

    /// Every row of a small answer, read.
    pub(crate) async fn all<T: DeserializeOwned>(&self, soql: &str) -> Result<Vec<T>, Fault> {
        let rows = self.all_rows(soql).await?;
        let read = rows.iter().map(|row| read::json(row).map_err(|error| self.garbled(&error)));
        read.collect()
    }
}

/// Ids as a list of SOQL. What is no id is left out: it could end the text it stands in.
pub(crate) fn listed<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = ids.into_iter().filter(|id| is_id(id)).map(|id| format!("'{id}'")).collect();
    quoted.join(",")
}

/// Whether a text may be a record's id.
pub(crate) fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
