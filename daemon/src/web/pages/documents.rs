//! Signed documents: brought, read, each value confirmed, corrected or rejected by a person beside the words it was read from, and
//! filed like any other terms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use jiff::Timestamp;
use milestoned_documents::block::{Document, Quote};
use milestoned_documents::confirm::{self, Asked, Verdict};
use milestoned_documents::proposal::{Gravity, Proposal};
use milestoned_documents::reader::FILE_LIMIT;
use milestoned_identity::rights::Right;
use milestoned_mapping::address;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::person::Person;
use super::{filters, render, told};
use crate::agreements::{self, Filed};
use crate::environment::Environment;
use crate::reading::{self, Part, Sheet};
use crate::review::portfolio;
use crate::signed_documents::{self, NotKept};
use crate::store::actor::Actor;
use crate::store::readings::{self, Decided, Reading, ReadingLine};
use crate::store::{StoreError, json as as_json, parse};
use crate::web::extract::{Fields, Segments};
use crate::web::problem::ApiError;

/// How long somebody who brings a document waits for it to be read; a busy machine may need more.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than the file itself: the form's own parts.
pub(super) const FORM: usize = 64 * 1024;

/// `GET` and `POST /documents`: a file may be larger than other bodies.
pub(super) fn all() -> MethodRouter<Arc<Environment>> {
    get(list).post(bring).layer(DefaultBodyLimit::max(FILE_LIMIT.saturating_add(FORM)))
}

#[derive(Template)]
#[template(path = "documents.html")]
struct ListPage {
    person: Person,
    may_file: bool,
    readings: Vec<ReadingLine>,
}

async fn list(State(env): State<Arc<Environment>>, person: Person) -> Result<Response, ApiError> {
    let readings = env.store.readings().await?;
    Ok(render(&ListPage { may_file: person.caller.rights.has(Right::FileTerms), person, readings }))
}

async fn bring(State(env): State<Arc<Environment>>, person: Person, mut form: Multipart) -> Result<Response, ApiError> {
    person.caller.may(Right::FileTerms)?;
    let Brought { name, bytes, texts } = brought_with(&mut form, "document").await?;
    let earlier = match texts.get("amends").map_or("", |text| text.trim()) {
        "" => None,
        id => Some(portfolio::earlier(&env, id).await?.ok_or_else(|| ApiError::not_found("contract", id))?),
    };
    let reading = signed_documents::keep_apart(Arc::clone(&env), name.clone(), bytes, person.caller.actor(), earlier);
    let Ok(kept) = tokio::time::timeout(PATIENCE, reading).await else {
        let text = format!("{name} is still being read: it appears in this list, or in the queue if it cannot be read");
        return told("/documents", &text);
    };
    let kept = kept.unwrap_or_else(|_| Err(NotKept::Unread("reading it was broken off".into())));
    let id = kept.map_err(|error| match error {
        NotKept::Refused(reason) => ApiError::invalid(format!("{name}: {reason}")),
        NotKept::Unread(reason) => unread(&name, &reason),
        known @ NotKept::Known(_) => {
            let remedy = "decide about it as it was read, or save the file anew, which makes another document of it";
            ApiError::new(StatusCode::CONFLICT, "DOCUMENT_KNOWN", format!("{name}: {known}"), remedy)
        }
        NotKept::Store(error) => error.into(),
    })?;
    told(&format!("/documents/{id}"), &format!("{name} is read; confirm each value"))
}

/// The file that a form brings in a field: its name and its bytes.
pub(super) async fn brought(form: &mut Multipart, field_name: &str) -> Result<(String, Vec<u8>), ApiError> {
    let brought = brought_with(form, field_name).await?;
    Ok((brought.name, brought.bytes))
}

/// What a form brings: a file, and what stands in its other fields.
struct Brought {
    name: String,
    bytes: Vec<u8>,
    texts: BTreeMap<String, String>,
}

async fn brought_with(form: &mut Multipart, field_name: &str) -> Result<Brought, ApiError> {
    let broken = |error: MultipartError| ApiError::invalid(format!("{field_name}: {error}"));
    let (mut brought, mut texts) = (None, BTreeMap::new());
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some(field_name) {
            let name = field.file_name().map(last_part).unwrap_or_default();
            brought = Some((name, field.bytes().await.map_err(broken)?.to_vec()));
        } else if let Some(name) = field.name().map(str::to_owned) {
            texts.insert(name, field.text().await.map_err(broken)?);
        }
    }
    let brought = brought.filter(|(name, bytes)| !name.is_empty() && !bytes.is_empty());
    let (name, bytes) = brought.ok_or_else(|| ApiError::invalid(format!("{field_name}: no file was chosen")))?;
    Ok(Brought { name, bytes, texts })
}

/// Browsers of old give the whole path.
fn last_part(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

fn unread(name: &str, reason: &str) -> ApiError {
    let remedy = "give the part with the payment terms alone, or save the file anew";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "DOCUMENT_UNREAD", format!("{name}: {reason}"), remedy)
}

/// One value with what was decided about it.
pub(super) struct Row {
    pub(super) asked: Asked,
    /// Where on the page it is shown what it was read from, as the end of an address; empty: nowhere.
    pub(super) spot: String,
    decided: Option<(Verdict, Decided)>,
}

impl Row {
    /// What stands in the field.
    pub(super) fn value(&self) -> &str {
        match &self.decided {
            Some((Verdict::Corrected(value), _)) => value,
            _ => self.asked.value.as_deref().unwrap_or_default(),
        }
    }

    /// What became of it, in a word.
    pub(super) fn state(&self) -> &'static str {
        match self.decided {
            Some((Verdict::Confirmed, _)) => "confirmed",
            Some((Verdict::Corrected(_), _)) if self.asked.value.is_some() => "corrected",
            Some((Verdict::Corrected(_), _)) => "added",
            Some((Verdict::Rejected, _)) => "rejected",
            None if self.asked.value.is_some() => "open",
            None => "not read",
        }
    }

    fn seen(&self) -> String {
        self.decided.as_ref().map(|(_, decided)| decided.decided_at.to_string()).unwrap_or_default()
    }

    fn quotes(&self) -> &[Quote] {
        &self.asked.quotes
    }

    fn is_list(&self) -> bool {
        [".evidence", ".depends_on"].iter().any(|key| self.asked.path.ends_with(key))
    }
}

#[derive(Template)]
#[template(path = "document.html")]
struct DocumentPage {
    person: Person,
    may_file: bool,
    reading: Reading,
    proposal: Proposal,
    parts: Vec<Part>,
    sheets: Vec<Sheet>,
    rows: Vec<Row>,
    open: usize,
    erps: Vec<String>,
}

impl DocumentPage {
    fn gravity(gravity: &Gravity) -> &'static str {
        match gravity {
            Gravity::Error => "blocking",
            Gravity::Warning => "warning",
            Gravity::Note => "dim",
        }
    }
}

/// A document with everything that is known about it.
struct Known {
    reading: Reading,
    document: Document,
    proposal: Proposal,
    verdicts: BTreeMap<String, (Verdict, Decided)>,
}

async fn known(env: &Environment, id: &str) -> Result<Known, ApiError> {
    let found = env.store.reading(id.to_owned()).await?;
    let (reading, decided) = found.ok_or_else(|| ApiError::not_found("document", id))?;
    let verdict = |decided: Decided| -> Result<_, StoreError> {
        let verdict: Verdict = parse("reading_verdict", "verdict", &decided.path, &decided.verdict)?;
        Ok((decided.path.clone(), (verdict, decided)))
    };
    Ok(Known {
        document: parse("reading", "document", id, &reading.document)?,
        proposal: parse("reading", "proposal", id, &reading.proposal)?,
        verdicts: decided.into_iter().map(verdict).collect::<Result<_, _>>()?,
        reading,
    })
}

/// `GET /documents/{id}`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let Known { reading, document, proposal, verdicts } = known(&env, &id).await?;
    let (parts, sheets, rows) = rows(&document, &proposal, verdicts);
    let open = rows.iter().filter(|row| row.state() == "open").count();
    let erps = env.registry.iter().filter(|(_, entry)| entry.connection.takes_documents());
    let erps = erps.map(|(name, _)| name.to_owned()).collect();
    let may_file = person.caller.rights.has(Right::FileTerms);
    Ok(render(&DocumentPage { person, may_file, reading, proposal, parts, sheets, rows, open, erps }))
}

/// `GET /documents/{id}/pages/{page}`: a page as a picture. The id is the hash of the file, so that it never changes.
pub(super) async fn page_picture(
    State(env): State<Arc<Environment>>,
    _: Person,
    Segments((id, page)): Segments<(String, u32)>,
) -> Result<Response, ApiError> {
    let content = env.store.reading_content(id.clone()).await?.ok_or_else(|| ApiError::not_found("document", &id))?;
    if milestoned_documents::sha256(&content) != id {
        let reason = "the stored file is not the one that was read: its hash differs";
        return Err(unread(&id, reason));
    }
    let drawn = reading::apart(move || reading::picture(&content, page)).await;
    let picture = drawn.map_err(|error| unread(&id, &error))?.map_err(|error| unread(&id, &error.to_string()))?;
    let headers =
        [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "private, max-age=31536000, immutable")];
    Ok((headers, picture).into_response())
}

/// Where the values of a contract stand in the document that it was filed from.
pub(super) struct Sources {
    /// SHA-256 of the document.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
}

/// The document that a contract was filed from; `None`: it was filed otherwise.
pub(super) async fn sources(env: &Environment, contract: &str) -> Result<Option<Sources>, ApiError> {
    let Some((reading, _)) = env.store.reading_of_contract(contract.to_owned()).await? else { return Ok(None) };
    let Known { reading, document, proposal, verdicts } = known(env, &reading.id).await?;
    let (_, _, mut rows) = rows(&document, &proposal, verdicts);
    rows.retain(|row| !row.asked.quotes.is_empty() && row.state() != "rejected");
    Ok(Some(Sources { id: reading.id, name: reading.name, rows }))
}

/// The document as it is shown, and its values with what was decided about them.
fn rows(
    document: &Document,
    proposal: &Proposal,
    mut verdicts: BTreeMap<String, (Verdict, Decided)>,
) -> (Vec<Part>, Vec<Sheet>, Vec<Row>) {
    let asked = confirm::asked(proposal);
    let (parts, lines) = reading::shown(document, &asked);
    let sheets = reading::sheets(document, &asked);
    let drawn: BTreeSet<usize> = sheets.iter().flat_map(|sheet| &sheet.spots).map(|spot| spot.value).collect();
    let row = |(index, asked): (usize, Asked)| {
        let number = index.saturating_add(1);
        let spot = match lines.get(&asked.path) {
            _ if drawn.contains(&number) => format!("spot-{number}"),
            Some(line) => format!("line-{line}"),
            None => String::new(),
        };
        Row { spot, decided: verdicts.remove(&asked.path), asked }
    };
    let rows = asked.into_iter().enumerate().map(row).collect();
    (parts, sheets, rows)
}

/// What a person says about a value.
#[derive(Deserialize)]
pub(super) struct VerdictForm {
    path: String,
    /// `confirm` or `reject`.
    verdict: String,
    #[serde(default)]
    value: String,
    /// When it was decided last, as the page showed it.
    #[serde(default)]
    seen: String,
}

/// `POST /documents/{id}/value`
pub(super) async fn decide(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
    Fields(form): Fields<VerdictForm>,
) -> Result<Response, ApiError> {
    person.caller.may(Right::FileTerms)?;
    let Known { proposal, .. } = known(&env, &id).await?;
    let asked = confirm::asked(&proposal);
    let place = asked.iter().position(|asked| asked.path == form.path);
    let number =
        place.ok_or_else(|| ApiError::invalid(format!("path: {:?} is no value of this document", form.path)))?;
    let read = asked.get(number).and_then(|asked| asked.value.clone());
    // Browsers send line breaks of their own.
    let value = form.value.replace("\r\n", "\n").trim().to_owned();
    let verdict = match form.verdict.as_str() {
        "reject" => Verdict::Rejected,
        "confirm" if Some(&value) == read.as_ref() => Verdict::Confirmed,
        "confirm" if value.is_empty() => return Err(ApiError::invalid("value: write one, or reject the field")),
        "confirm" => Verdict::Corrected(value),
        other => return Err(ApiError::invalid(format!("verdict: {other:?} is neither confirm nor reject"))),
    };
    let seen = Some(form.seen.as_str()).filter(|text| !text.is_empty()).map(str::parse::<Timestamp>).transpose();
    let seen = seen.map_err(|error| ApiError::invalid(format!("seen: {error}")))?;
    let decided = Decided {
        path: form.path,
        verdict: as_json(&verdict)?,
        actor: person.caller.actor(),
        decided_at: env.clock.now(),
    };
    let text = match verdict {
        Verdict::Confirmed => format!("{} is confirmed", decided.path),
        Verdict::Corrected(_) => format!("{} is what you have written", decided.path),
        Verdict::Rejected => format!("{} is rejected", decided.path),
    };
    if !env.store.decide_reading(id.clone(), decided, seen).await? {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "DECIDED_MEANWHILE",
            "somebody else has decided about this value since the page was shown, or the contract is filed",
            "look at the page again",
        ));
    }
    // The next value that waits is where the eye goes.
    told(&format!("/documents/{id}#value-{}", number.saturating_add(1)), &text)
}

/// Whether somebody else than those who decided about the values has to file: the price, or what its milestones sum to, is above
/// the limit. A price that is not known may be.
fn needs_second(limit: Option<Decimal>, terms: &Value) -> bool {
    let amount = |value: &Value| value.as_str().and_then(|text| text.parse::<Decimal>().ok());
    let rows = ["milestones", "add", "change"].iter().filter_map(|key| terms.get(*key)?.as_array()).flatten();
    let sum: Option<Decimal> = rows.map(|row| row.get("amount").and_then(amount)).sum();
    let price = terms.get("total").and_then(amount);
    limit.is_some_and(|limit| {
        [price, sum.filter(|sum| !sum.is_zero())].iter().flatten().max().is_none_or(|most| *most > limit)
    })
}

/// What is filed beside the terms.
#[derive(Deserialize)]
pub(super) struct FileForm {
    #[serde(default)]
    erp: String,
    #[serde(default)]
    owner: String,
}

/// `POST /documents/{id}/file`
pub(super) async fn file(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
    Fields(form): Fields<FileForm>,
) -> Result<Response, ApiError> {
    person.caller.may(Right::FileTerms)?;
    let Known { reading, proposal, verdicts, .. } = known(&env, &id).await?;
    if let Some(contract) = reading.contract {
        return told(&address::contract("", &contract), "it was filed from this document before");
    }
    // Under whatever name: also those over whose verdicts somebody else has decided since.
    let mut deciders: BTreeSet<Actor> = verdicts.values().map(|(_, decided)| decided.actor.clone()).collect();
    deciders.extend(env.store.reading_hands(id.clone()).await?);
    let filer = env.people.person_of(person.caller.actor().name());
    let decided = deciders.iter().any(|actor| env.people.person_of(actor.name()) == filer);
    let verdicts = verdicts.into_iter().map(|(path, (verdict, _))| (path, verdict)).collect();
    let mut terms = confirm::terms(&proposal, &verdicts).map_err(|wrong| ApiError::invalid(wrong.join("\n")))?;
    let limit = env.settings.approvals.second_over.as_ref().map(|limit| limit.0);
    if decided && needs_second(limit, &terms) {
        let reason =
            "the terms are above the amount from which two people are needed, and you have decided about their values";
        let remedy = "ask somebody else who may file terms to compare them and to file";
        return Err(ApiError::new(StatusCode::CONFLICT, "SECOND_PERSON", reason, remedy));
    }
    match &proposal.amended_contract {
        Some(contract) => {
            let row = env.store.contract(contract.clone()).await?;
            let row = row.ok_or_else(|| ApiError::not_found("contract", contract))?;
            let version = portfolio::state(&row)?.version();
            terms["amends"] = contract.as_str().into();
            terms["version"] = version.saturating_add(1).into();
            terms["signed"] = true.into();
        }
        None => {
            let mut options = json!({ "erp": form.erp });
            if let (Some(options), owner) = (options.as_object_mut(), form.owner.trim())
                && !owner.is_empty()
            {
                options.insert("owner".into(), Value::from(owner));
            }
            terms["milestoned"] = options;
        }
    }
    let (now, source) = (env.clock.now(), readings::source(&reading.name, &id));
    let filed = agreements::file(&env, terms, &source, &person.caller.actor(), now).await?;
    let (Filed::Known(contract) | Filed::Opened(contract) | Filed::Amended(contract) | Filed::Waits(contract)) = filed;
    env.store.reading_filed(id, contract.clone(), proposal.reader, person.caller.actor(), now).await?;
    env.wake_ups.send_all();
    person.has_acted().await;
    told(&address::contract("", &contract), &format!("{contract} is filed from {}", reading.name))
}
