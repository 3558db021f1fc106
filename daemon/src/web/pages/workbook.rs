//! The workbook on pages: taken away, brought back, shown beside what holds now, and confirmed.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use milestoned_documents::reader::FILE_LIMIT;
use milestoned_identity::rights::Right;
use milestoned_workbook::merge::Outcome;
use serde::Deserialize;

use super::documents::{FORM, brought};
use super::exports::XLSX;
use super::jobs::{self, AtWork};
use super::person::Person;
use super::{filters, render, told};
use crate::environment::Environment;
use crate::report::workbook::apply::{self, Came, Confirmed};
use crate::report::workbook::import::{self, Beside, Preview};
use crate::report::workbook::sheets::Asker;
use crate::store::parse;
use crate::web::extract::{Fields, Parameters, Segments};
use crate::web::jobs::{Made, MadeFile};
use crate::web::problem::ApiError;

/// Edits that a page shows; all of them stand in the annotated file.
const SHOWN: usize = 500;

/// `GET` and `POST /workbook`: a workbook may be larger than other bodies.
pub(super) fn all() -> MethodRouter<Arc<Environment>> {
    get(start).post(bring).layer(DefaultBodyLimit::max(FILE_LIMIT.saturating_add(FORM)))
}

/// Lists that are files of their own, by the name of the file. The audit trail is for who may read it.
const LISTS: [(&str, &str); 10] = [
    ("contracts", "Contracts"),
    ("milestones", "Milestones with all legs"),
    ("documents", "Documents"),
    ("receivables", "Receivables"),
    ("payments", "Payments"),
    ("journal", "Journal entries"),
    ("exceptions", "Exceptions"),
    ("queue", "The queue"),
    ("outlook", "To bill this month"),
    ("audit", "Audit trail"),
];

fn asker(person: &Person) -> Asker {
    Asker { name: person.caller.name.clone(), rights: person.caller.rights }
}

/// Which contracts.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Text of contract or customer.
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "workbook.html")]
struct StartPage {
    person: Person,
    which: Which,
}

impl StartPage {
    /// Whether a list is asked for by the text: the trail is asked for by the id of a contract.
    fn asks_of(&self, list: &str) -> bool {
        !self.which.q.is_empty() && list != "audit"
    }
}

async fn start(person: Person, Parameters(which): Parameters<Which>) -> Response {
    render(&StartPage { person, which })
}

/// `GET /workbook/export`
pub(super) async fn export(
    State(env): State<Arc<Environment>>,
    Extension(at_work): AtWork,
    person: Person,
    Parameters(which): Parameters<Which>,
) -> Result<Response, ApiError> {
    let wanted = (format!("/workbook/export?q={}", which.q), "The workbook".to_owned());
    let (at, snapshots, asker) = (Arc::clone(&env), Arc::clone(person.snapshots()), asker(&person));
    jobs::answer(&at, &at_work, wanted, &person.caller.name, |progress| async move {
        let bytes = import::export(&env, &snapshots, &asker, (&which.q, &progress)).await?;
        Ok(Made::File(Arc::new(MadeFile::of("milestoned-workbook.xlsx", XLSX, &bytes)?)))
    })
    .await
}

fn attached(name: &str, bytes: Vec<u8>) -> Response {
    let name = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, XLSX.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response()
}

async fn bring(State(env): State<Arc<Environment>>, person: Person, mut form: Multipart) -> Result<Response, ApiError> {
    let file = brought(&mut form, "workbook").await?;
    let name = file.0.clone();
    let id = import::bring(&env, person.snapshots(), &asker(&person), file).await?;
    told(&format!("/workbook/{id}"), &format!("{name} is read; nothing is done yet"))
}

#[derive(Template)]
#[template(path = "workbook_import.html")]
struct ImportPage {
    person: Person,
    preview: Preview,
    came: Vec<Came>,
}

impl ImportPage {
    fn of(&self, outcome: &str) -> usize {
        let is: fn(&Outcome) -> bool = match outcome {
            "edit" => |outcome| *outcome == Outcome::Edit,
            "same" => |outcome| *outcome == Outcome::Same,
            "conflict" => |outcome| *outcome == Outcome::Conflict,
            _ => |outcome| matches!(outcome, Outcome::Refused(_)),
        };
        self.preview.count(is)
    }

    /// Edits that somebody has to look at first, then the others.
    fn rows(&self) -> Vec<&Beside> {
        let mut rows: Vec<&Beside> = self.preview.edits.iter().collect();
        rows.sort_by_key(|row| !Self::stands_out(row));
        rows.truncate(SHOWN);
        rows
    }

    fn left_out(&self) -> usize {
        self.preview.edits.len().saturating_sub(SHOWN)
    }

    fn stands_out(beside: &Beside) -> bool {
        !matches!(beside.merged.outcome, Outcome::Edit | Outcome::Same)
    }

    /// Whether something can be confirmed by this person.
    fn is_open(&self) -> bool {
        let something = !self.preview.orders.is_empty() || !self.preview.acts.is_empty();
        something
            && self.preview.import.confirmed_at.is_none()
            && self.preview.import.actor == self.person.caller.actor()
    }

    fn now(beside: &Beside) -> &str {
        beside.merged.now.as_deref().unwrap_or("(not there any more)")
    }

    fn done(&self) -> usize {
        self.came.iter().filter(|came| came.done).count()
    }
}

/// `GET /workbook/{id}`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let preview = known(&env, &person, &id).await?;
    let came = preview.import.outcome.as_deref();
    let came: Option<Vec<Came>> =
        came.map(|text| parse("workbook_import", "outcome", &id, text)).transpose().map_err(ApiError::from)?;
    Ok(render(&ImportPage { person, preview, came: came.unwrap_or_default() }))
}

async fn known(env: &Environment, person: &Person, id: &str) -> Result<Preview, ApiError> {
    person.caller.may(Right::View)?;
    let found = import::preview(env, person.snapshots(), &asker(person), id).await?;
    found.ok_or_else(|| ApiError::not_found("workbook", id))
}

/// `GET /workbook/{id}/annotated.xlsx`
pub(super) async fn annotated(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let preview = known(&env, &person, &id).await?;
    let bytes = import::annotated(&env, person.snapshots(), &asker(&person), &preview).await?;
    Ok(attached("milestoned-workbook-annotated.xlsx", bytes))
}

/// What somebody confirms.
#[derive(Deserialize)]
pub(super) struct ConfirmForm {
    seen: String,
    #[serde(default)]
    signed: String,
    #[serde(default)]
    reason: String,
}

/// `POST /workbook/{id}`
pub(super) async fn confirm(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
    Fields(form): Fields<ConfirmForm>,
) -> Result<Response, ApiError> {
    let confirmed = Confirmed { seen: form.seen, signed: form.signed == "yes", reason: form.reason };
    let came = apply::confirm(&env, person.snapshots(), &asker(&person), (&id, &confirmed)).await?;
    let done = came.iter().filter(|came| came.done).count();
    let not = came.len().saturating_sub(done);
    told(&format!("/workbook/{id}"), &format!("{done} done, {not} not"))
}
