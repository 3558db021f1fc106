//! The trail of a document: from the invoice back to the clause, and on to payments, in words.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use milestoned_identity::rights::Right;
use serde::Deserialize;

use super::person::Person;
use super::{filters, render};
use crate::environment::Environment;
use crate::review::trail::{self, NAMES, Trail};
use crate::web::extract::Parameters;
use crate::web::problem::ApiError;

/// What the trail is of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A document's number, or another name; nothing yet without it.
    #[serde(default)]
    of: String,
}

#[derive(Template)]
#[template(path = "trail.html")]
struct TrailPage {
    person: Person,
    of: String,
    names: &'static str,
    trail: Option<Trail>,
}

pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Parameters(Asked { of }): Parameters<Asked>,
) -> Result<Response, ApiError> {
    person.caller.may(Right::Audit)?;
    let trail = if of.trim().is_empty() {
        None
    } else {
        let found = trail::trail(&env, &of).await?;
        Some(found.ok_or_else(|| ApiError::not_found("trail", &of))?.0)
    };
    Ok(render(&TrailPage { person, of, names: NAMES, trail }))
}
