//! Signed documents: brought, read, each value confirmed, corrected or rejected by a person beside the words it was read from, and
//! filed like any other terms.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use jiff::Timestamp;
use milestoned_documents::block::{Document, Quote};
use milestoned_documents::confirm::{self, Asked, Verdict};
use milestoned_documents::proposal::{Gravity, Proposal};
use milestoned_documents::reader::FILE_LIMIT;
use milestoned_documents::sandbox::ChildError;
use milestoned_identity::rights::Right;
use milestoned_mapping::address;
use serde::Deserialize;
use serde_json::{Value, json};

use super::person::Person;
use super::{filters, render, told};
use crate::agreements::{self, Filed};
use crate::environment::Environment;
use crate::reading::{self, Part};
use crate::store::readings::{self, Decided, Reading, ReadingLine};
use crate::store::{StoreError, json as as_json, parse};
use crate::web::extract::{Fields, Segments};
use crate::web::problem::ApiError;

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
    let (name, bytes) = brought(&mut form, "document").await?;
    let file = name.clone();
    let read = tokio::task::spawn_blocking(move || reading::read(&file, &bytes)).await;
    let (document, proposal) =
        read.map_err(|error| unread(&name, &error.to_string()))?.map_err(|error| match error {
            ChildError::Refused(reason) => ApiError::invalid(format!("{name}: {reason}")),
            other => unread(&name, &other.to_string()),
        })?;
    let id = proposal.files.first().map(|file| file.sha256.clone()).unwrap_or_default();
    let kept = Reading {
        id: id.clone(),
        name: name.clone(),
        actor: person.caller.actor(),
        read_at: env.clock.now(),
        document: as_json(&document)?,
        proposal: as_json(&proposal)?,
        contract: None,
    };
    env.store.keep_reading(kept).await?;
    told(&format!("/documents/{id}"), &format!("{name} is read; confirm each value"))
}

/// The file that a form brings in a field: its name and its bytes.
pub(super) async fn brought(form: &mut Multipart, field_name: &str) -> Result<(String, Vec<u8>), ApiError> {
    let broken = |error: MultipartError| ApiError::invalid(format!("{field_name}: {error}"));
    let mut brought = None;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some(field_name) {
            let name = field.file_name().map(last_part).unwrap_or_default();
            brought = Some((name, field.bytes().await.map_err(broken)?.to_vec()));
        }
    }
    let brought = brought.filter(|(name, bytes)| !name.is_empty() && !bytes.is_empty());
    brought.ok_or_else(|| ApiError::invalid(format!("{field_name}: no file was chosen")))
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
    /// Number of the line that it was read from; 0: none.
    pub(super) line: usize,
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
    let verdict = |one: Decided| -> Result<_, StoreError> {
        let verdict: Verdict = parse("reading_verdict", "verdict", &one.path, &one.verdict)?;
        Ok((one.path.clone(), (verdict, one)))
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
    let (parts, rows) = rows(&document, &proposal, verdicts);
    let open = rows.iter().filter(|row| row.state() == "open").count();
    let erps = env.registry.iter().filter(|(_, entry)| entry.connection.takes_documents());
    let erps = erps.map(|(name, _)| name.to_owned()).collect();
    let may_file = person.caller.rights.has(Right::FileTerms);
    Ok(render(&DocumentPage { person, may_file, reading, proposal, parts, rows, open, erps }))
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
    let (_, mut rows) = rows(&document, &proposal, verdicts);
    rows.retain(|row| !row.asked.quotes.is_empty() && row.state() != "rejected");
    Ok(Some(Sources { id: reading.id, name: reading.name, rows }))
}

/// The document as it is shown, and its values with what was decided about them.
fn rows(
    document: &Document,
    proposal: &Proposal,
    mut verdicts: BTreeMap<String, (Verdict, Decided)>,
) -> (Vec<Part>, Vec<Row>) {
    let asked = confirm::asked(proposal);
    let (parts, lines) = reading::shown(document, &asked);
    let row = |asked: Asked| Row {
        line: lines.get(&asked.path).copied().unwrap_or_default(),
        decided: verdicts.remove(&asked.path),
        asked,
    };
    let rows = asked.into_iter().map(row).collect();
    (parts, rows)
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

/// What is filed beside the terms.
#[derive(Deserialize)]
pub(super) struct FileForm {
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
    let verdicts = verdicts.into_iter().map(|(path, (verdict, _))| (path, verdict)).collect();
    let mut terms = confirm::terms(&proposal, &verdicts).map_err(|wrong| ApiError::invalid(wrong.join("\n")))?;
    let mut options = json!({ "erp": form.erp });
    if let (Some(options), owner) = (options.as_object_mut(), form.owner.trim())
        && !owner.is_empty()
    {
        options.insert("owner".into(), Value::from(owner));
    }
    terms["milestoned"] = options;
    let (now, source) = (env.clock.now(), readings::source(&reading.name, &id));
    let filed = agreements::file(&env, terms, &source, &person.caller.actor(), now).await?;
    let (Filed::Known(contract) | Filed::Opened(contract) | Filed::Amended(contract) | Filed::Waits(contract)) = filed;
    env.store.reading_filed(id, contract.clone(), proposal.reader, person.caller.actor(), now).await?;
    env.wake_ups.send_all();
    person.has_acted().await;
    told(&address::contract("", &contract), &format!("{contract} is filed from {}", reading.name))
}
