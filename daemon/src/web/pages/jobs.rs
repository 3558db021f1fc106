//! Work that goes on longer than a page waits: how far it is, and what it came to.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};

use super::person::Person;
use super::{filters, render, told};
use crate::environment::Environment;
use crate::progress::Progress;
use crate::web::extract::Segments;
use crate::web::jobs::{Job, Jobs, Made, Wanted, sent};
use crate::web::problem::ApiError;

/// How long a page waits before it shows how far something is.
const PATIENCE: Duration = Duration::from_secs(2);

/// The jobs, as routes hand them to pages.
pub(super) type AtWork = Extension<Arc<Jobs>>;

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    person: Person,
    job: Arc<Job>,
    read: usize,
    of: usize,
    is_ready: bool,
}

/// Begins work that somebody asks for on a page: what it comes to where it is quick, else the page that tells how far it is.
pub(super) async fn answer<F>(
    env: &Environment,
    jobs: &Jobs,
    (key, title): (String, String),
    by: &str,
    work: impl FnOnce(Arc<Progress>) -> F,
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Made, ApiError>> + Send + 'static,
{
    let wanted = Wanted { key, title, by: by.to_owned() };
    match jobs.done_within((wanted, PATIENCE), env.clock.now(), work).await? {
        Ok(Made::File(file)) => sent(&file),
        Ok(Made::Page(next, text)) => told(&next, &text),
        Err(job) => Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response()),
    }
}

fn known(jobs: &Jobs, person: &Person, id: &str) -> Result<Arc<Job>, ApiError> {
    jobs.of(&person.caller.name, id).ok_or_else(|| ApiError::not_found("job", id))
}

/// `GET /jobs/{id}`: a browser looks again by itself, and takes the file away once it is there.
pub(super) async fn page(
    State(_): State<Arc<Environment>>,
    Extension(jobs): AtWork,
    person: Person,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let job = known(&jobs, &person, &id)?;
    let (read, of) = job.stands();
    let (refresh, is_ready) = match job.outcome().transpose()? {
        None => ("1".to_owned(), false),
        Some(Made::File(_)) => (format!("0; url=/jobs/{id}/file"), true),
        Some(Made::Page(next, text)) => {
            jobs.forget(&id);
            return told(&next, &text);
        }
    };
    Ok(([(header::REFRESH, refresh)], render(&JobPage { person, job, read, of, is_ready })).into_response())
}

/// `GET /jobs/{id}/file`
pub(super) async fn file(
    State(_): State<Arc<Environment>>,
    Extension(jobs): AtWork,
    person: Person,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    match known(&jobs, &person, &id)?.outcome().transpose()? {
        Some(Made::File(file)) => sent(&file),
        _ => Ok(Redirect::to(&format!("/jobs/{id}")).into_response()),
    }
}
