//! Pages for a controller: queue, portfolio, contract. Server-rendered; buttons are plain forms, and all of them lead to the
//! acts of the review.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::civil::Date;
use milestoned_identity::rights::Right;
use milestoned_mapping::address;
use milestoned_mapping::contract::{Approval, Severity};
use milestoned_mapping::fact::Shown;
use milestoned_mapping::money::grouped;
use serde::Deserialize;

use super::access::{self, Caller};
use super::extract::{Fields, Parameters, Segments};
use super::problem::ApiError;
use crate::environment::Environment;
use crate::review::acts::{self, Act, Channel, Verb, Word};
use crate::review::item::Item;
use crate::review::portfolio::{self, DocumentLine, MilestoneLine, Remedied, Summary};
use crate::review::queue::{Filter, queue, what_changed};
use crate::review::subject::{KINDS, Subject};
use crate::store::audit::AuditLine;
use crate::store::intake::StreamHealth;
use crate::store::outbox::Delivery;

/// Name of the cookie that tells on the next page what an act came to.
const TOLD: &str = "milestoned_told";

/// Pages and their style sheet.
pub fn routes() -> Router<Arc<Environment>> {
    Router::new()
        .route("/", get(portfolio_page))
        .route("/contracts/{id}", get(contract_page))
        .route("/queue", get(queue_page))
        .route("/exceptions", get(|| async { Redirect::permanent("/queue") }))
        .route("/act", post(act))
        .route(
            "/style.css",
            get(|| async { ([(header::CONTENT_TYPE, "text/css")], include_str!("../../templates/style.css")) }),
        )
}

/// Somebody who is signed in. Others are sent to the sign-in page, which leads back to where they wanted to go; a form from
/// another site is refused, whoever's session it carries.
pub(super) struct Person {
    /// Who.
    pub(super) caller: Caller,
    /// What the act came to that led here.
    told: Option<String>,
    /// Address of the page, for forms that lead back to it.
    here: String,
}

impl Person {
    fn may_decide(&self) -> bool {
        self.caller.rights.has(Right::Approve)
    }
}

impl FromRequestParts<Arc<Environment>> for Person {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, Response> {
        let here = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        let told = cookie(&parts.headers, TOLD).map(|text| decoded(&text)).filter(|text| !text.is_empty());
        let access = access::of(parts).map_err(IntoResponse::into_response)?;
        let known = access.person(env, &parts.headers).await;
        let Some(caller) = known.map_err(|error| ApiError::from(error).into_response())? else {
            let next = if parts.method == Method::GET { address::segment(&here) } else { String::new() };
            return Err(Redirect::to(&format!("/sign-in?next={next}")).into_response());
        };
        if !parts.method.is_safe() && !access.comes_from_our_pages(&parts.headers) {
            return Err(super::problem::foreign().into_response());
        }
        Ok(Self { caller, told, here })
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|value| value.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

mod filters {
    #![expect(unreachable_pub, reason = "the macro makes a public type of the filter")]

    use milestoned_mapping::address;

    /// Thousands separated.
    #[askama::filter_fn]
    pub(super) fn money(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(super::grouped(&text.to_string()))
    }

    /// The path of a contract's page.
    #[askama::filter_fn]
    pub(super) fn contract_path(id: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(address::contract("", &id.to_string()))
    }

    /// Text as one part of an address.
    #[askama::filter_fn]
    pub(super) fn segment(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(address::segment(&text.to_string()))
    }

    /// An instant to the minute.
    #[askama::filter_fn]
    pub(super) fn minute(at: &jiff::Timestamp, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(at.strftime("%Y-%m-%d %H:%M").to_string())
    }
}

#[derive(Template)]
#[template(path = "portfolio.html")]
struct PortfolioPage {
    person: Person,
    contracts: Vec<Summary>,
    /// Where the next page begins.
    next: Option<String>,
    streams: Vec<StreamHealth>,
    sections: Vec<Section>,
    /// What came in and could not be taken, what is halted, what the remotes refused.
    items: Vec<Item>,
    today: Date,
    now: String,
}

#[derive(Template)]
#[template(path = "contract.html")]
struct ContractPage {
    person: Person,
    summary: Summary,
    milestones: Vec<MilestoneLine>,
    documents: Vec<DocumentLine>,
    items: Vec<Item>,
    closed: Vec<Remedied>,
    journal: Vec<JournalRow>,
    deliveries: Vec<Delivery>,
    audit: Vec<AuditLine>,
    today: Date,
}

struct JournalRow {
    date: String,
    account: String,
    debit: String,
    credit: String,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    person: Person,
    sections: Vec<Section>,
    items: Vec<Item>,
    today: Date,
}

/// A part of the queue, with how much it is.
struct Section {
    /// What it is called.
    name: &'static str,
    /// Kinds of it, as a query.
    query: &'static str,
    /// How many there are.
    count: usize,
    /// What they hold back, by currency.
    held: String,
    /// It is the one that is shown.
    shown: bool,
}

/// Whether an item belongs to a part of the queue.
type Belongs = fn(&Item) -> bool;

/// Parts of the queue: name, address, and which items belong there.
const SECTIONS: [(&str, &str, Belongs); 5] = [
    ("Everything", "", |_| true),
    ("To approve", "approvals", |item| item.kind == "approval"),
    ("Blocked", "blocked", |item| item.severity == Severity::Blocking && item.kind == "exception"),
    ("Warnings", "warnings", |item| item.severity == Severity::Warning),
    ("Parked", "parked", is_parked),
];

/// Whether something holds back what the rules and the reviewers let go.
fn is_parked(item: &Item) -> bool {
    item.severity == Severity::Blocking && !matches!(item.kind, "approval" | "exception")
}

/// The parts of the queue, with counts; `part` is the one that is shown.
fn sections(items: &[Item], part: &str) -> Vec<Section> {
    let section = |(name, query, belongs): (&'static str, &'static str, fn(&Item) -> bool)| {
        let of_it: Vec<&Item> = items.iter().filter(|item| belongs(item)).collect();
        Section { name, query, count: of_it.len(), held: portfolio::held(&of_it), shown: query == part }
    };
    SECTIONS.into_iter().map(section).collect()
}

pub(super) fn render(page: &impl Template) -> Response {
    match page.render() {
        // What an act came to is told once.
        Ok(html) => ([(header::SET_COOKIE, format!("{TOLD}=; Max-Age=0; Path=/"))], Html(html)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Where a page begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    /// Behind this contract.
    #[serde(default)]
    after: String,
}

async fn portfolio_page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Parameters(from): Parameters<After>,
) -> Result<Response, ApiError> {
    let contracts = portfolio::summaries_after(&env, from.after, portfolio::AT_ONCE).await?;
    let last = contracts.last().filter(|_| contracts.len() == portfolio::AT_ONCE);
    let items = queue(&env, &Filter::default()).await?;
    Ok(render(&PortfolioPage {
        person,
        next: last.map(|last| last.contract.clone()),
        contracts,
        streams: env.store.streams().await?,
        sections: sections(&items, "none"),
        items: items.into_iter().filter(is_parked).collect(),
        today: env.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date(),
        now: env.clock.now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
    }))
}

async fn contract_page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let view = portfolio::contract(&env, &id).await?.ok_or_else(|| ApiError::not_found("contract", &id))?;
    let row = super::api::known(&env, &id).await?;
    let contract = portfolio::state(&row)?;
    // A pause of its customer or of its ERP concerns the contract, too.
    let concerns = |item: &Item| match &item.subject {
        Subject::Pause { scope, name } => match scope.name() {
            "contract" => *name == id,
            "customer" => *name == view.summary.customer,
            _ => *name == view.summary.erp,
        },
        _ => item.contract.as_ref() == Some(&id),
    };
    let mut items = queue(&env, &Filter::default()).await?;
    items.retain(concerns);
    Ok(render(&ContractPage {
        person,
        today: contract.terms().local_date(env.clock.now()),
        summary: view.summary,
        milestones: view.milestones,
        documents: view.documents,
        items,
        closed: view.exceptions.into_iter().filter(|one| one.exception.closed_on.is_some()).collect(),
        journal: journal(&contract),
        deliveries: view.deliveries,
        audit: env.store.audit(Some(id), 200).await?,
    }))
}

/// The subject of a milestone's approval, as a form carries it.
fn approval_of(contract: &str, milestone: &str) -> String {
    Subject::Approval { contract: contract.into(), milestone: milestone.into() }.to_string()
}

/// What an approval would be of, as a form carries it.
fn text_of(shown: &Shown) -> String {
    serde_json::to_string(shown).unwrap_or_default()
}

fn journal(contract: &milestoned_mapping::contract::Contract) -> Vec<JournalRow> {
    use milestoned_mapping::command::Side;
    let mut rows = Vec::new();
    for entry in contract.journal() {
        for (index, line) in entry.lines.iter().enumerate() {
            let amount = grouped(&line.amount.to_string());
            let (debit, credit) = match line.side {
                Side::Debit => (amount, String::new()),
                Side::Credit => (String::new(), amount),
            };
            let date = if index == 0 { entry.date.to_string() } else { String::new() };
            rows.push(JournalRow { date, account: line.account.name().replace('_', " "), debit, credit });
        }
    }
    rows
}

/// Which part of the queue is shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    /// The second word of [`SECTIONS`]; everything without it.
    #[serde(default)]
    part: String,
    /// Items of one kind.
    kind: Option<String>,
    /// Items of one owner.
    owner: Option<String>,
}

async fn queue_page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Parameters(asked): Parameters<Part>,
) -> Result<Response, ApiError> {
    let Some((_, _, belongs)) = SECTIONS.into_iter().find(|(_, query, _)| *query == asked.part) else {
        return Err(ApiError::not_found("part of the queue", &asked.part));
    };
    if let Some(kind) = asked.kind.as_ref().filter(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(ApiError::not_found("kind", kind));
    }
    let filter = Filter { kinds: asked.kind.into_iter().collect(), owner: asked.owner, ..Filter::default() };
    let mut items = queue(&env, &filter).await?;
    let sections = sections(&items, &asked.part);
    items.retain(belongs);
    let today = env.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    Ok(render(&QueuePage { person, sections, items, today }))
}

/// The path of a page of this server, whatever was asked for: a link must not lead a person elsewhere. It is read as a browser
/// reads it, which takes a backslash for a slash and leaves out tabs and line breaks.
pub(super) fn page_of_ours(next: &str) -> String {
    let Ok(base) = url::Url::parse("http://milestoned.invalid/") else { return "/".into() };
    let ours = base.join(next).ok().filter(|url| url.origin() == base.origin());
    ours.map_or_else(|| "/".into(), |url| url[url::Position::BeforePath..].to_owned())
}

/// What a person does about something, as a form has it.
#[derive(Deserialize)]
struct ActForm {
    subject: String,
    act: String,
    #[serde(default)]
    reason: String,
    /// With `approve`: what was shown, JSON.
    #[serde(default)]
    shown: String,
    /// With `done`: the record that was written by hand.
    #[serde(default)]
    remote_id: String,
    /// With `assign`: to whom.
    #[serde(default)]
    to: String,
    /// With `snooze`: until when.
    #[serde(default)]
    until: String,
    /// With `give_up`: what follows was read.
    #[serde(default)]
    confirmed: String,
    /// Page to show then.
    #[serde(default)]
    next: String,
}

impl ActForm {
    fn act(&self) -> Result<Act, ApiError> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let verb: Verb = self.act.parse()?;
        Ok(match verb {
            Verb::Approve => Act::Approve { shown: self.shown()? },
            Verb::Assign => Act::Assign { to: text(&self.to) },
            Verb::Close => Act::Close,
            Verb::Done => Act::Done { remote_id: self.remote_id.clone() },
            Verb::GiveUp if self.confirmed != "yes" => {
                return Err(ApiError::invalid("confirmed: giving up is not confirmed"));
            }
            Verb::GiveUp => Act::GiveUp,
            Verb::Hold => Act::Hold,
            Verb::Note => Act::Note,
            Verb::Overrule => Act::Overrule,
            Verb::Pause => Act::Pause,
            Verb::Release => Act::Release,
            Verb::Replay => Act::Replay,
            Verb::Resume => Act::Resume,
            Verb::Snooze => {
                let until = text(&self.until).map(|until| until.parse::<Date>()).transpose();
                Act::Snooze { until: until.map_err(|error| ApiError::invalid(format!("until: {error}")))? }
            }
            Verb::Undo => Act::Undo,
        })
    }

    fn shown(&self) -> Result<Option<Shown>, ApiError> {
        if self.shown.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&self.shown).map(Some).map_err(|error| ApiError::invalid(format!("shown: {error}")))
    }
}

async fn act(
    State(env): State<Arc<Environment>>,
    person: Person,
    Fields(form): Fields<ActForm>,
) -> Result<Response, ApiError> {
    let (subject, act): (Subject, Act) = (form.subject.parse()?, form.act()?);
    person.caller.may(act.verb().right())?;
    let word = Word::new(&person.caller.name, &form.reason, Channel::Page, act.verb())?;
    let done = acts::act(&env, &subject, act, word).await?;
    let told = format!("{TOLD}={}; HttpOnly; SameSite=Strict; Max-Age=60; Path=/", address::segment(&done.text));
    let cookie = HeaderValue::from_str(&told).map_err(|error| ApiError::invalid(error.to_string()))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&page_of_ours(&form.next))).into_response())
}

#[cfg(test)]
mod tests {
    use super::page_of_ours;

    #[test]
    fn nobody_is_led_to_another_server() {
        for (next, page) in [
            ("/contracts/A%2FB?x=1#M1", "/contracts/A%2FB?x=1#M1"),
            ("", "/"),
            ("//evil.example/x", "/"),
            ("/\t/evil.example/x", "/"),
            ("/\n/evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(page_of_ours(next), page, "{next:?}");
        }
    }
}
