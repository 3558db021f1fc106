//! Saved views: a part of the queue that somebody gives a name, for everybody.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::person::Person;
use super::told;
use crate::environment::Environment;
use crate::review::selection::Selection;
use crate::web::extract::Fields;
use crate::web::problem::ApiError;

/// Letters of a name.
const LENGTH: usize = 60;

/// A view to be saved or removed.
#[derive(Deserialize)]
pub(super) struct ViewForm {
    name: String,
    #[serde(default)]
    filter: String,
    #[serde(default)]
    remove: String,
}

/// `POST /views`
pub(super) async fn save(
    State(env): State<Arc<Environment>>,
    person: Person,
    Fields(form): Fields<ViewForm>,
) -> Result<Response, ApiError> {
    let name = form.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LENGTH || name.contains(char::is_control) {
        return Err(ApiError::invalid(format!("name: write 1 to {LENGTH} letters")));
    }
    let query = Selection::read(&form.filter)?.query();
    let (by, now) = (person.caller.actor(), env.clock.now());
    if form.remove == "yes" {
        env.store.save_view(name.clone(), None, by, now).await?;
        return told("/queue", &format!("the view {name} is removed"));
    }
    env.store.save_view(name.clone(), Some(query.clone()), by, now).await?;
    told(&format!("/queue?{query}"), &format!("the view {name} is saved; everybody sees it"))
}
