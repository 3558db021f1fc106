//! One thing that waits, on one screen: the legs beside each other, the clause, the evidence, what would be written and why on
//! that date, acts, and what has happened so far.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use milestoned_mapping::contract::{Beside, Difference};
use milestoned_mapping::fact::Leg;
use serde::Deserialize;

use super::person::Person;
use super::queue::case_address;
use super::{filters, render};
use crate::environment::Environment;
use crate::review::acts::Verb;
use crate::review::case::{self, Case};
use crate::review::closed::{self, Closed};
use crate::review::entry::Entry;
use crate::review::queue::whole;
use crate::review::selection::Selection;
use crate::review::subject::Subject;
use crate::web::extract::{Parameters, Segments};
use crate::web::problem::ApiError;

/// The columns of the four legs.
pub(super) const LEGS: [(Leg, &str); 4] =
    [(Leg::Agreement, "Agreement"), (Leg::Crm, "CRM"), (Leg::Psa, "Project tool"), (Leg::Erp, "ERP")];

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    person: Person,
    case: Case,
    /// The part of the queue that led here.
    from: String,
    before: Option<String>,
    next: Option<String>,
    /// Place in that part, from 1, and how many there are.
    place: usize,
    count: usize,
    today: Date,
}

/// What is shown of a thing that waits no more.
#[derive(Template)]
#[template(path = "closed.html")]
struct ClosedPage {
    person: Person,
    case: Closed,
}

impl CasePage {
    /// Where an act leads: to the next thing of the same part of the queue, or back to it.
    fn then(&self) -> String {
        let back = if self.from.is_empty() { "/queue".to_owned() } else { format!("/queue?{}", self.from) };
        self.next.clone().or_else(|| self.before.clone()).unwrap_or(back)
    }
}

impl CasePage {
    /// Whether a leg's value is another than what is agreed, or is what the case is about.
    fn differs(&self, row: &Beside, leg: Leg) -> bool {
        let item = &self.case.item;
        let is_of_it = |value: &Difference| value.what == row.what && value.seen.as_deref() == row.of(leg);
        row.differs(leg) || (item.leg == Some(leg) && row.of(leg).is_some() && item.values.iter().any(is_of_it))
    }
}

/// The part of the queue that led to a case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    #[serde(default)]
    from: String,
}

/// `GET /case/{subject}`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(subject): Segments<String>,
    Parameters(From { from }): Parameters<From>,
) -> Result<Response, ApiError> {
    let subject: Subject = subject.parse()?;
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let found: Vec<Arc<Entry>> = snapshot.items.iter().filter(|item| item.subject == subject).cloned().collect();
    let Some(item) = whole(&env, &found).await?.pop() else {
        return match closed::closed(&env, &subject).await? {
            Some(case) => Ok(render(&ClosedPage { person, case })),
            None => Err(ApiError::not_found("nothing that waits, or waited, is called so:", &subject.to_string())),
        };
    };
    let asked = Selection::read(&from)?;
    let list = asked.pick(&snapshot.items, &today).items;
    let place = list.iter().position(|candidate| candidate.subject == item.subject);
    let at =
        |place: Option<usize>| place.and_then(|index| list.get(index)).map(|item| case_address(&item.subject, &from));
    let (before, next) =
        (at(place.and_then(|place| place.checked_sub(1))), at(place.and_then(|place| place.checked_add(1))));
    let case = case::case(&env, item, &person.caller.name).await?;
    let (place, count) = (place.map_or(0, |index| index.saturating_add(1)), list.len());
    Ok(render(&CasePage { person, case, from: asked.query(), before, next, place, count, today }))
}
