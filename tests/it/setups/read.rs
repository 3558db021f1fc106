//! Which fields the connectors read of what a vendor answers: each field is taken out of every answer once, set to null, written
//! as text and changed, and what is read is compared. Without one that is needed the reason names it; which others may be absent
//! stands in `docs/fields.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use milestoned_connector_kit::customers::Customers;
use milestoned_connector_kit::{Carried, Connector as _, Cursor, Cut, Needs, Platform, Source, Transport};
use milestoned_jira::Jira;
use milestoned_mapping::fieldmap::FieldMap;
use milestoned_mapping::normalise::normalise;
use milestoned_mapping::record::SourceRecord;
use milestoned_mocks::Person;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::org::{CERTINIA, DEALS, Org};
use crate::conformance::{Desk, Kept, fields};
use crate::lessons::erp::{credit_memo, invoice, order, put_one, release};
use crate::lessons::{netsuite, quickbooks};

/// What becomes of one field on its way.
#[derive(Clone, Copy, PartialEq)]
enum Treatment {
    TakenOut,
    Changed,
    /// `null` in its place.
    Nulled,
    /// A number as text.
    AsText,
}

/// The answers of a remote, each asked for once, and what becomes of one field of all of them.
#[derive(Default)]
struct Tampering {
    client: reqwest::Client,
    with: Mutex<Option<(String, Treatment)>>,
    /// Fields of all answers so far, and whether they are numbers; lists are passed through.
    seen: Mutex<BTreeMap<String, bool>>,
    answers: Mutex<BTreeMap<String, (http::StatusCode, http::HeaderMap, Bytes)>>,
}

impl Tampering {
    /// What the remote answers to a request, as it did the first time.
    async fn asked(&self, request: http::Request<Bytes>) -> Result<(http::StatusCode, http::HeaderMap, Bytes), Cut> {
        let key = format!("{} {} {:?}", request.method(), request.uri(), request.body());
        if let Some(known) = self.answers.lock().unwrap().get(&key) {
            return Ok(known.clone());
        }
        let request = reqwest::Request::try_from(request).map_err(|_| Cut::NotSent)?;
        let answer = self.client.execute(request).await.map_err(|_| Cut::NotSent)?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove(http::header::CONTENT_LENGTH);
        let body = answer.bytes().await.map_err(|_| Cut::NoAnswer)?;
        self.answers.lock().unwrap().insert(key, (status, headers.clone(), body.clone()));
        Ok((status, headers, body))
    }

    async fn sent(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Cut> {
        let signs_in = request.uri().path().contains("token");
        let (status, headers, mut body) = self.asked(request).await?;
        if let Ok(mut json) = serde_json::from_slice::<Value>(&body)
            && !signs_in
        {
            self.walk(&mut json, "");
            body = json.to_string().into();
        }
        let mut response = http::Response::new(body);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }

    fn walk(&self, value: &mut Value, place: &str) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, place)),
            Value::Object(members) => {
                let with = self.with.lock().unwrap().clone();
                for name in members.keys().cloned().collect::<Vec<_>>() {
                    let path = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                    let is_number = members.get(&name).is_some_and(Value::is_number);
                    *self.seen.lock().unwrap().entry(path.clone()).or_default() |= is_number;
                    match with.as_ref().filter(|(wanted, _)| *wanted == path) {
                        Some((_, Treatment::TakenOut)) => drop(members.remove(&name)),
                        Some((_, Treatment::Changed)) => members.get_mut(&name).into_iter().for_each(change),
                        Some((_, Treatment::Nulled)) => drop(members.insert(name, Value::Null)),
                        Some((_, Treatment::AsText)) => members.get_mut(&name).into_iter().for_each(as_text),
                        None => members.get_mut(&name).into_iter().for_each(|member| self.walk(member, &path)),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Another value of the same type.
fn change(value: &mut Value) {
    *value = match &*value {
        Value::String(text) => match text.parse::<i64>() {
            Ok(number) => Value::String((number + 1).to_string()),
            Err(_) => Value::String(format!("{text} x")),
        },
        Value::Number(number) => {
            let number: Decimal = number.to_string().parse().unwrap();
            serde_json::from_str(&(number + Decimal::ONE).to_string()).unwrap()
        }
        Value::Bool(flag) => Value::Bool(!flag),
        other => other.clone(),
    };
}

fn as_text(value: &mut Value) {
    if value.is_number() {
        *value = Value::String(value.to_string());
    }
}

impl Transport for Tampering {
    fn carry(&self, request: http::Request<Bytes>) -> Carried<'_> {
        Box::pin(self.sent(request))
    }

    fn wait(&self, _: Duration) -> std::pin::Pin<Box<dyn std::future::Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

fn platform(desk: &Desk, tampering: &Arc<Tampering>) -> Platform {
    Platform { clock: desk.clock.clone(), transport: Some(tampering.clone()) }
}

/// What a source gave: what its records say, by the field map where they have one, and what could not be read, and why.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    records: Vec<String>,
    told: Vec<String>,
}

async fn all(source: &impl Source, map: Option<&FieldMap>) -> Outcome {
    let mut outcome = Outcome { records: Vec::new(), told: Vec::new() };
    for stream in source.streams() {
        let mut cursor = Cursor::default();
        for _ in 0..9 {
            match source.pull(stream, &cursor).await {
                Ok(page) => {
                    let said = |one: &SourceRecord| {
                        let read = map.map(|map| normalise(one, map));
                        format!("{} {} {:?} {read:?}", one.object, one.id, one.content)
                    };
                    outcome.records.extend(page.records.iter().map(said));
                    outcome.told.extend(page.unreadable.into_iter().map(|one| one.reason));
                    if let Some(map) = map {
                        let problems = page.records.iter().flat_map(|one| normalise(one, map).problems);
                        outcome.told.extend(problems.map(|problem| format!("{} {}", problem.place, problem.reason)));
                    }
                    cursor = page.next;
                    if !page.more {
                        break;
                    }
                }
                Err(fault) => {
                    outcome.told.push(fault.to_string());
                    break;
                }
            }
        }
    }
    outcome.records.sort();
    outcome
}

/// Fields of a vendor's answers, by what becomes of the reading without them.
#[derive(Default)]
struct Read {
    needed: Vec<String>,
    optional: Vec<String>,
}

/// Fields without which something else is told: of a change without its new value nothing says when the status was reached.
const TOLD_AS: [(&str, &str); 1] = [("records.NewValue", "pse__approved__c")];

/// Takes each field out, and judges what is read without it.
async fn fields_read(source: &impl Source, map: Option<&FieldMap>, tampering: &Tampering) -> Read {
    let whole = all(source, map).await;
    assert!(!whole.records.is_empty() && whole.told.is_empty(), "{whole:#?}");
    let (mut read, mut wrong) = (Read::default(), Vec::new());
    let seen = tampering.seen.lock().unwrap().clone();
    for (path, is_number) in seen {
        let with = async |treatment: Treatment| {
            *tampering.with.lock().unwrap() = Some((path.clone(), treatment));
            all(source, map).await
        };
        let name = path.rsplit('.').next().unwrap().to_lowercase();
        let named_as = TOLD_AS.iter().find(|(known, _)| *known == path).map_or(name.as_str(), |(_, named)| named);
        let is_named = |outcome: &Outcome| outcome.told.iter().any(|said| said.to_lowercase().contains(named_as));
        if is_number {
            let text = with(Treatment::AsText).await;
            if text != whole && !is_named(&text) {
                wrong.push(format!("{path}: a number that is written as text is read otherwise: {text:?}"));
            }
        }
        let (without, nulled) = (with(Treatment::TakenOut).await, with(Treatment::Nulled).await);
        if nulled.records != without.records || nulled.told.is_empty() != without.told.is_empty() {
            wrong.push(format!("{path}: null is read otherwise than nothing: {:?} {:?}", nulled.told, without.told));
        }
        for outcome in [&without, &nulled].into_iter().filter(|outcome| !outcome.told.is_empty() && !is_named(outcome))
        {
            wrong.push(format!("{path}: is missed, and not named: {:?}", outcome.told));
        }
        if !without.told.is_empty() {
            read.needed.push(path);
        } else if without != whole || with(Treatment::Changed).await != whole {
            read.optional.push(path);
        }
    }
    *tampering.with.lock().unwrap() = None;
    assert_eq!(all(source, map).await, whole, "the same is read as before");
    assert!(wrong.is_empty(), "{wrong:#?}");
    read
}

async fn of_quickbooks() -> Read {
    let tampering = Arc::new(Tampering::default());
    let company = quickbooks::Company::with(json!({ "orders": "write", "tax_code": "TAX" })).await;
    let northwind = company.customer.as_str();
    put_one(&company.quickbooks, &order(1, &[("M1", "100.00")], northwind)).await.unwrap();
    let billed = put_one(&company.quickbooks, &invoice("M1", "100.00", northwind)).await.unwrap().remote_id;
    put_one(&company.quickbooks, &credit_memo("M1", "30.00", northwind, &billed)).await.unwrap();
    put_one(&company.quickbooks, &release(3, "40.00", northwind)).await.unwrap();
    let simulator = &company.desk.simulators.quickbooks;
    simulator.pay("pay", "SOW-1-M1", "20.00", "2026-03-03").unwrap();
    let reader = quickbooks::connect_on(&company.desk, platform(&company.desk, &tampering), &company.store, json!({}));
    fields_read(&reader, None, &tampering).await
}

async fn of_netsuite() -> Read {
    let tampering = Arc::new(Tampering::default());
    let account = netsuite::Account::with(json!({ "orders": "write", "subsidiary": "1" })).await;
    let northwind = account.customer.as_str();
    put_one(&account.netsuite, &order(1, &[("M1", "100.00")], northwind)).await.unwrap();
    let billed = put_one(&account.netsuite, &invoice("M1", "100.00", northwind)).await.unwrap().remote_id;
    put_one(&account.netsuite, &credit_memo("M1", "30.00", northwind, &billed)).await.unwrap();
    put_one(&account.netsuite, &release(3, "40.00", northwind)).await.unwrap();
    account.desk.simulators.netsuite.pay("pay", "SOW-1-M1", "20.00", "2026-03-03").unwrap();
    let reader = netsuite::connect_on(&account.desk, platform(&account.desk, &tampering), json!({}));
    fields_read(&reader, None, &tampering).await
}

async fn of_jira() -> Read {
    let tampering = Arc::new(Tampering::default());
    let desk = Desk::open("jira").await;
    let simulator = &desk.simulators.jira;
    let body = json!({ "summary": "Design", "customfield_10101": "SOW-1", "customfield_10102": "M1" });
    let issue = simulator.create_issue("one", "MS", fields(body)).unwrap().id;
    let signed = fields(json!({ "customfield_10105": "https://docs.example/1" }));
    simulator.edit("accept", &issue, &Person::integration(), signed.into_iter().collect(), Some("Accepted")).unwrap();
    let settings = json!({ "base_url": desk.simulators.url("jira"), "projects": ["MS"], "limits": { "windows": [] },
        "webhook_secret": "s", "auth": { "flow": "basic", "email": "mia@example.test", "api_token": "api-token" } });
    let map = FieldMap::from_toml(include_str!("../../../config/fieldmaps/jira.toml"), Jira::SHAPE).unwrap();
    let needs = Needs {
        field_map: Some(map.clone()),
        platform: platform(&desk, &tampering),
        tokens: Arc::new(Kept::default()),
        customers: Customers::default(),
    };
    let reader = Jira::create("jira", serde_json::from_value(settings).unwrap(), needs).unwrap();
    fields_read(&reader, Some(&map), &tampering).await
}

async fn of_salesforce(map: &str, changes: Value) -> Read {
    let tampering = Arc::new(Tampering::default());
    let org = Org::start().await;
    let (reader, map) = org.connect(platform(&org.desk, &tampering), map, changes);
    fields_read(&reader, Some(&map), &tampering).await
}

/// Fields by what they belong to, one line each.
fn listed(fields: &[String]) -> String {
    let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for field in fields {
        let (of, name) = field.rsplit_once('.').unwrap_or(("(answer)", field));
        by.entry(of).or_default().push(name);
    }
    by.iter().fold(String::new(), |mut text, (of, names)| {
        writeln!(text, "- `{of}`: {}", names.join(", ")).unwrap();
        text
    })
}

#[tokio::test]
async fn a_field_that_a_vendor_drops_is_named_or_stands_among_those_that_may_be_absent() {
    let mut page = String::new();
    for (vendor, read) in [
        ("QuickBooks", of_quickbooks().await),
        ("NetSuite", of_netsuite().await),
        ("Jira", of_jira().await),
        ("Salesforce, deals", of_salesforce(DEALS, json!({ "documents": true })).await),
        ("Salesforce, Certinia", of_salesforce(CERTINIA, json!({ "object": "pse__Milestone__c" })).await),
    ] {
        assert!(read.needed.len() > 3, "{vendor}: {:?}", read.needed);
        write!(page, "\n## {vendor}\n\nNeeded:\n\n{}\nMay be absent:\n\n", listed(&read.needed)).unwrap();
        page.push_str(&listed(&read.optional));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fields.md");
    let known = std::fs::read_to_string(file).unwrap();
    let start = known.find("\n## QuickBooks").expect("docs/fields.md has the lists");
    let wanted = format!("{}{page}", &known[..start]);
    if std::env::var_os("MILESTONED_WRITE_GOLDEN").is_some() {
        std::fs::write(file, wanted).unwrap();
    } else {
        assert_eq!(
            known, wanted,
            "MILESTONED_WRITE_GOLDEN=1 cargo test -p milestoned-tests setups::read writes it anew"
        );
    }
}
