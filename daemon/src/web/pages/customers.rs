//! A customer's page: contracts and receivables together, and which record of each ERP the customer is.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use milestoned_identity::rights::Right;
use milestoned_mapping::address;
use serde::Deserialize;

use super::lists::Head;
use super::person::Person;
use super::{filters, render, told};
use crate::environment::Environment;
use crate::review::acts::{self, Channel, Verb, Word};
use crate::review::customers::{self, CustomerLine};
use crate::review::item::Item;
use crate::review::listing::{self, Open};
use crate::review::portfolio::Summary;
use crate::review::queue;
use crate::web::extract::{Fields, Segments};
use crate::web::problem::ApiError;

#[derive(Template)]
#[template(path = "customer.html")]
struct CustomerPage<'a> {
    person: Person,
    name: String,
    sums: Vec<listing::Sums>,
    contracts: Vec<Summary>,
    contract_heads: Vec<Head>,
    open_heads: Vec<Head>,
    rows: Vec<Open<'a>>,
    items: Vec<Arc<Item>>,
    today: Date,
    records: Vec<CustomerLine>,
    may_choose: bool,
}

/// `GET /customers/{name}`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(name): Segments<String>,
) -> Result<Response, ApiError> {
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let contracts = listing::contracts_of(&snapshot, &name);
    if contracts.is_empty() {
        return Err(ApiError::not_found("customer", &name));
    }
    let open: Vec<Open<'_>> = contracts.iter().copied().flat_map(listing::open_of).collect();
    let rows = listing::receivables_by(open, "", 0..usize::MAX);
    let items = snapshot.items.iter().filter(|item| item.customer.as_deref() == Some(&*name));
    let items = queue::whole(&env, &items.cloned().collect::<Vec<_>>()).await?;
    let sums = listing::sums(&contracts);
    let contracts = contracts.iter().map(|line| line.brief.summary()).collect();
    let mut records = customers::customers(&env).await?;
    records.retain(|record| record.name == name);
    let may_choose = person.caller.rights.has(Right::Release);
    let (contract_heads, open_heads) = (Head::of_contracts(None), Head::of_receivables(None));
    let page = CustomerPage {
        person,
        name,
        sums,
        contracts,
        contract_heads,
        open_heads,
        rows,
        items,
        today,
        records,
        may_choose,
    };
    Ok(render(&page))
}

/// Which record a customer is.
#[derive(Deserialize)]
pub(super) struct RecordForm {
    erp: String,
    /// One of those that are called alike, or `new`.
    #[serde(default)]
    remote_id: String,
    /// Another one, by its id.
    #[serde(default)]
    other: String,
    #[serde(default)]
    reason: String,
}

/// `POST /customers/{name}/record`
pub(super) async fn choose(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(name): Segments<String>,
    Fields(form): Fields<RecordForm>,
) -> Result<Response, ApiError> {
    person.caller.may(Right::Release)?;
    let word = Word::new(&person.caller.name, &form.reason, Channel::Page, Verb::Release)?;
    let other = form.other.trim();
    let remote_id = if other.is_empty() { form.remote_id.trim() } else { other };
    if remote_id.is_empty() {
        return Err(ApiError::invalid("remote_id: choose a record, or write the id of another one"));
    }
    let text = acts::choose_customer(&env, &form.erp, &name, remote_id, &word).await?;
    person.has_acted().await;
    told(&format!("/customers/{}", address::segment(&name)), &text)
}
