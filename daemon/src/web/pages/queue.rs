//! The queue: one list of everything that waits, with tabs, filters, an order, and saved views.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use jiff::civil::Date;

use super::person::Person;
use super::{filters, render};
use crate::environment::Environment;
use crate::review::acts::Verb;
use crate::review::bulk::{AT_MOST, Row, Shared};
use crate::review::entry::Entry;
use crate::review::item::Item;
use crate::review::queue::whole;
use crate::review::selection::{Order, Selection, TabCount};
use crate::review::snapshot::Snapshot;
use crate::review::subject::Subject;
use crate::web::problem::ApiError;

/// Items of a page.
const OF_A_PAGE: usize = 100;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    person: Person,
    asked: Selection,
    tabs: [TabCount; 6],
    views: Vec<View>,
    choices: Choices,
    /// Acts that can be about many things and that something of this list offers.
    offers: Vec<Verb>,
    items: Vec<Arc<Item>>,
    /// How many there are under this tab and these filters.
    count: usize,
    /// Whether nothing waits at all, whatever is asked for.
    nothing: bool,
    pages: Pages,
    today: Date,
}

/// A part of the queue that has a name.
pub(super) struct View {
    /// Name.
    name: String,
    /// What stands behind the question mark.
    query: String,
    /// How many items it has.
    count: usize,
    /// It is what is shown.
    shown: bool,
    /// Somebody saved it, and it can be removed.
    saved: bool,
}

/// Customers up to which the filter lists them; above, one is written.
const LISTED: usize = 200;

/// What the filters can be set to: what there is.
#[derive(Default)]
struct Choices {
    customers: BTreeSet<String>,
    /// Title and code.
    codes: BTreeSet<(String, String)>,
    owners: BTreeSet<String>,
    erps: BTreeSet<String>,
}

impl Choices {
    fn of(snapshot: &Snapshot) -> Self {
        let mut choices = Self::default();
        let add = |set: &mut BTreeSet<String>, text: Option<&Arc<str>>| {
            if let Some(text) = text.filter(|text| !set.contains(&***text)) {
                set.insert(text.to_string());
            }
        };
        for item in &snapshot.items {
            add(&mut choices.customers, item.customer.as_ref());
            add(&mut choices.owners, item.owner.as_ref());
            add(&mut choices.erps, item.erp.as_ref());
            if let Some(code) = &item.code
                && !choices.codes.iter().any(|(_, known)| **known == **code)
            {
                choices.codes.insert((item.title.to_string(), code.to_string()));
            }
        }
        choices
    }
}

/// Where a list is cut into pages.
pub(super) struct Pages {
    /// From 1.
    pub(super) page: usize,
    /// How many there are; at least 1.
    pub(super) pages: usize,
    /// The address of a page but for its number.
    pub(super) base: String,
}

impl Pages {
    /// Of a list with so many rows; `query` is what stands behind the question mark but for the page.
    pub(super) fn of(path: &str, query: &str, asked: usize, count: usize, of_a_page: usize) -> Self {
        let pages = count.div_ceil(of_a_page).max(1);
        let base = if query.is_empty() { format!("{path}?page=") } else { format!("{path}?{query}&page=") };
        Self { page: asked.clamp(1, pages), pages, base }
    }
}

/// The number of a page in a query; the first where none stands.
pub(super) fn page_in(query: &str) -> usize {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "page").and_then(|(_, value)| value.parse().ok()).unwrap_or(1)
}

/// The address of a case that was found in a part of the queue.
pub(super) fn case_address(subject: &Subject, query: &str) -> String {
    use milestoned_mapping::address;
    let subject = address::segment(&subject.to_string());
    if query.is_empty() {
        format!("/case/{subject}")
    } else {
        format!("/case/{subject}?from={}", address::segment(query))
    }
}

/// Acts that can be about many things at once and that something of the list offers, in their order.
fn offers(items: &[Arc<Entry>]) -> Vec<Verb> {
    let offered: BTreeSet<Verb> = items.iter().flat_map(|item| item.acts.iter().copied()).collect();
    offered.into_iter().filter(|verb| Shared::is_possible(*verb)).collect()
}

/// Views that everybody has; `{me}` is who looks.
const VIEWS: [(&str, &str); 4] = [
    ("Mine", "owner={me}&awake=yes"),
    ("Blocks billing", "part=blocked"),
    ("Older than 5 days", "age=5&sort=age"),
    ("Nobody’s", "owner=-"),
];

fn views(
    snapshot: &Snapshot,
    saved: Vec<(String, String)>,
    person: &Person,
    shown: &Selection,
    today: &Date,
) -> Vec<View> {
    let me = url::form_urlencoded::byte_serialize(person.caller.person.as_bytes()).collect::<String>();
    let of_all = VIEWS.iter().map(|(name, query)| ((*name).to_owned(), query.replace("{me}", &me), false));
    let all = of_all.chain(saved.into_iter().map(|(name, query)| (name, query, true)));
    let counted = all.filter_map(|(name, query, saved)| {
        let selection = Selection::read(&query).ok()?;
        let count = selection.count(&snapshot.items, today);
        Some(View { shown: selection == *shown, name, query: selection.query(), count, saved })
    });
    counted.collect()
}

/// `GET /queue`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let asked = match Selection::read(&query) {
        Err(problem) if problem.place == "part" => return Err(ApiError::not_found("part of the queue", &query)),
        asked => asked?,
    };
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let picked = asked.pick(&snapshot.items, &today);
    let count = picked.items.len();
    let pages = Pages::of("/queue", &asked.query(), page_in(&query), count, OF_A_PAGE);
    let from = pages.page.saturating_sub(1).saturating_mul(OF_A_PAGE);
    let saved = env.store.saved_views().await?.into_iter().map(|view| (view.name, view.filter)).collect();
    let offers = offers(&picked.items);
    let shown: Vec<Arc<Entry>> = picked.items.into_iter().skip(from).take(OF_A_PAGE).collect();
    Ok(render(&QueuePage {
        views: views(&snapshot, saved, &person, &asked, &today),
        choices: Choices::of(&snapshot),
        offers,
        items: whole(&env, &shown).await?,
        nothing: snapshot.items.is_empty(),
        tabs: picked.tabs,
        asked,
        count,
        pages,
        today,
        person,
    }))
}
