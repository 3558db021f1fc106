//! Jobs: up to a hundred records of one type in one asynchronous request. The idempotency key holds for these alone; a
//! used one points at the first job. A job that takes long is no error: what became of it is looked up later.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use milestoned_connector_kit::http::Answer;
use milestoned_connector_kit::{Class, Fault, Receipt, read};
use milestoned_mapping::command::DeliveryKey;
use reqwest::{Method, Url};

use super::body::Record;
use super::pull::waits_for_approval;
use super::wire::{Errors, Job, Sublist, Task};
use super::{NetSuite, REQUEST_ID};

/// Records of a job.
const MOST: usize = 100;
/// First pause between two looks at a job; it doubles.
const PAUSE: Duration = Duration::from_millis(500);

type Batch<'a> = &'a [(usize, String, Record)];

/// What the account calls a record of ours.
struct Written {
    id: String,
    number: Option<String>,
    unposted: bool,
}

impl Written {
    fn receipt(&self, request_id: Option<String>) -> Receipt {
        Receipt { remote_id: self.id.clone(), remote_number: self.number.clone(), request_id, unposted: self.unposted }
    }
}

/// How a job went.
struct Done {
    /// Its address.
    address: String,
    /// Every record was written.
    whole: bool,
    request_id: Option<String>,
}

impl NetSuite {
    /// Writes as jobs, and gives one outcome for each.
    pub(crate) async fn as_jobs(&self, records: Batch<'_>) -> Vec<Result<Receipt, Fault>> {
        let mut begun = Vec::new();
        for chunk in records.chunks(MOST) {
            begun.push(self.begin(chunk));
        }
        let mut jobs = Vec::new();
        for started in join_all(begun).await {
            jobs.push(match started {
                Ok((address, request_id)) => self.watch(address, request_id).await,
                Err(fault) => Err(fault),
            });
        }
        let keys: Vec<String> = records
            .chunks(MOST)
            .zip(&jobs)
            .filter(|(_, job)| job.is_ok())
            .flat_map(|(chunk, _)| chunk.iter().map(|(_, key, _)| key.clone()))
            .collect();
        let ids = if keys.is_empty() { Ok(Default::default()) } else { self.ids(records, &keys).await };
        let mut outcomes = Vec::new();
        for (chunk, job) in records.chunks(MOST).zip(jobs) {
            outcomes.extend(match (job, &ids) {
                // Refused at the door: nothing of it was written, and one record alone may be to blame.
                (Err(fault), _) if fault.class == Class::Refused => self.each(chunk).await,
                (Err(fault), _) => chunk.iter().map(|_| Err(fault.clone())).collect(),
                (Ok(_), Err(fault)) => chunk.iter().map(|_| Err(self.in_doubt(&fault.detail, None))).collect(),
                (Ok(done), Ok(ids)) => self.results(chunk, &done, ids).await,
            });
        }
        outcomes
    }

    /// Hands a batch in; gives the job's address, also where an earlier request with this key has begun it.
    async fn begin(&self, chunk: Batch<'_>) -> Result<(String, Option<String>), Fault> {
        let Some((_, _, first)) = chunk.first() else { return Err(self.in_doubt("an empty batch", None)) };
        let bodies: Vec<&str> = chunk.iter().map(|(_, _, record)| record.body.as_str()).collect();
        let body = format!("{{\"items\":[{}]}}", bodies.join(","));
        let keys: Vec<&str> = chunk.iter().map(|(_, key, _)| key.as_str()).collect();
        let headers = [
            ("Prefer", "respond-async"),
            ("X-NetSuite-Idempotency-Key", &uuid(&DeliveryKey::of(&keys))),
            ("Content-Type", "application/vnd.oracle.resource+json; type=collection"),
        ];
        let path = format!("/services/rest/record/v1/{}", first.kind);
        let answer = self.send(true, Method::POST, &path, Some(&body), &headers).await?;
        let request_id = answer.header(REQUEST_ID);
        let known = Errors::read(&answer.body).has("IDEMPOTENCY_ERROR");
        // Of the address only the path is used: the token is sent to the configured account alone.
        let location = answer.header("location").map(|address| match Url::parse(&address) {
            Ok(url) => url.path().to_owned(),
            Err(_) => address,
        });
        match location {
            // Where no request id came, the job's address tells support which request it was.
            Some(address) if answer.status == 202 || known => {
                let request_id = request_id.or_else(|| address.rsplit_once("/async/").map(|(_, job)| job.to_owned()));
                Ok((address, request_id))
            }
            _ if answer.status.is_success() => Err(self.in_doubt("a job came without its address", request_id)),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Waits for a job as long as patience lasts.
    async fn watch(&self, address: String, request_id: Option<String>) -> Result<Done, Fault> {
        let patience = Duration::try_from(self.settings.job_patience).unwrap_or(Duration::ZERO);
        let (mut pause, mut waited) = (PAUSE, Duration::ZERO);
        loop {
            let answer = self.ask(&address).await?;
            let job: Job = read::json(&answer.body).map_err(|error| self.in_doubt(&error, None))?;
            if job.completed || matches!(job.progress.as_str(), "succeeded" | "failed") {
                return Ok(Done { whole: job.progress != "failed", address, request_id });
            }
            if waited >= patience {
                return Err(self.in_doubt("the job is still running", request_id));
            }
            self.client.sleep(pause).await;
            waited = waited.saturating_add(pause);
            pause = pause.saturating_mul(2).min(Duration::from_secs(10));
        }
    }

    /// Reads about a job; whatever fails, the job may have written.
    async fn ask(&self, address: &str) -> Result<Answer, Fault> {
        let answer = self.send(false, Method::GET, address, None, &[]).await;
        let answer = answer.map_err(|fault| self.in_doubt(&fault.detail, fault.request_id.clone()))?;
        if answer.status.is_success() || answer.status == 400 {
            return Ok(answer);
        }
        Err(self.in_doubt(&Errors::read(&answer.body).text(), answer.header(REQUEST_ID)))
    }

    fn in_doubt(&self, said: &str, request_id: Option<String>) -> Fault {
        self.client.fault(Class::Unanswered, said, request_id)
    }

    /// Ids of what was written, numbers where the account gives them, and which invoices wait for an approval, by external id.
    async fn ids(&self, records: Batch<'_>, keys: &[String]) -> Result<BTreeMap<String, Written>, Fault> {
        let kind = records.first().map(|(_, _, record)| record.kind);
        let customers = kind == Some("customer");
        let table = if customers { "customer" } else { "transaction" };
        let rows = self
            .query(&format!(
                "SELECT t.id AS id, t.externalid AS external{} FROM {table} t WHERE t.externalid IN ({})",
                if customers { "" } else { ", t.tranid AS number, t.status AS status" },
                super::sql::listed(keys.iter().map(String::as_str))
            ))
            .await?;
        let pair = |row: &super::wire::Row| {
            let number = row.get("number").filter(|_| self.settings.number_field.is_some()).map(Into::into);
            let unposted = kind == Some("invoice") && waits_for_approval(row);
            let written = Written { id: row.get("id")?.to_owned(), number, unposted };
            Some((row.get("external")?.to_owned(), written))
        };
        Ok(rows.iter().filter_map(pair).collect())
    }

    /// One outcome for each record of a finished job. Where the whole went well the ids say it all; else each task is
    /// asked, and what an earlier attempt may have written is left to a look-up, which verifies it.
    async fn results(
        &self,
        chunk: Batch<'_>,
        done: &Done,
        ids: &BTreeMap<String, Written>,
    ) -> Vec<Result<Receipt, Fault>> {
        let id_of = |(_, key, _): &(usize, String, Record)| ids.get(key);
        if done.whole && chunk.iter().all(|record| id_of(record).is_some()) {
            let receipt = |written: &Written| written.receipt(done.request_id.clone());
            return chunk.iter().filter_map(|record| id_of(record).map(receipt).map(Ok)).collect();
        }
        let tasks = match self.tasks(&done.address, chunk.len()).await {
            Ok(tasks) => tasks,
            Err(fault) => return chunk.iter().map(|_| Err(fault.clone())).collect(),
        };
        let mut outcomes = Vec::new();
        for (task, record) in tasks.iter().zip(chunk) {
            outcomes.push(self.result(&done.address, &task.id, id_of(record)).await);
        }
        outcomes
    }

    /// The tasks of a job, in the order of its records.
    async fn tasks(&self, address: &str, records: usize) -> Result<Vec<Task>, Fault> {
        let answer = self.ask(&format!("{address}/task")).await?;
        let tasks: Sublist<Task> = read::json(&answer.body).map_err(|error| self.in_doubt(&error, None))?;
        let mut tasks = tasks.items;
        tasks.sort_by_key(|task| task.id.parse::<u64>().unwrap_or(u64::MAX));
        if tasks.len() == records {
            return Ok(tasks);
        }
        let said = format!("the job has {} tasks for {records} records", tasks.len());
        Err(self.in_doubt(&said, answer.header(REQUEST_ID)))
    }

    /// The outcome of one record, as a request of its own would have answered.
    async fn result(&self, address: &str, task: &str, id: Option<&Written>) -> Result<Receipt, Fault> {
        let answer = self.ask(&format!("{address}/task/{task}/result")).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        match id {
            Some(written) => Ok(written.receipt(answer.header(REQUEST_ID))),
            None => Err(self.in_doubt("the job has written it, and it is not to be seen", answer.header(REQUEST_ID))),
        }
    }
}

/// A key in the form of a UUID.
fn uuid(key: &DeliveryKey) -> String {
    let text = key.as_str();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
