//! Contracts, change orders and corrections as forms: every problem at its field, the effect of a change order before it is filed,
//! and filed through the same door as files.

mod change;
mod draft;

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template as Page;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use milestoned_identity::rights::Right;
use milestoned_mapping::address;
use milestoned_mapping::filed::toml_tree;
use milestoned_mapping::schema::FileKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::person::Person;
use super::{filters, render, told};
use crate::agreements::{self, Filed, Options, Refusal};
use crate::contract_template::{Template, Values};
use crate::engine;
use crate::environment::Environment;
use crate::review::portfolio;
use crate::store::contracts::ContractRow;
use crate::store::parse;
use crate::web::extract::{Pairs, Parameters};
use crate::web::json::Json;
use crate::web::problem::ApiError;

pub(super) use change::{file as file_change, page as change_page};

use draft::{Draft, Group, Problems};

/// What stands where a person has to write something of their own.
const UNNAMED: &str = "";

/// What a new contract begins with.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    /// A template's name.
    #[serde(default)]
    template: String,
    /// A contract that it is a copy of.
    #[serde(default)]
    copy: String,
}

#[derive(Page)]
#[template(path = "filing.html")]
struct NewPage {
    person: Person,
    may_file: bool,
    templates: [Template; 6],
    groups: Vec<Group>,
    others: Vec<String>,
    /// Whether it was looked at; how many problems there are.
    checked: Option<usize>,
    erps: Vec<String>,
}

fn erps(env: &Environment) -> Vec<String> {
    let erps = env.registry.iter().filter(|(_, entry)| entry.connection.takes_documents());
    erps.map(|(name, _)| name.to_owned()).collect()
}

fn new_page(env: &Environment, person: Person, draft: &Draft, checked: Option<Problems>) -> Response {
    let count = checked.as_ref().map(Problems::count);
    let mut problems = checked.unwrap_or_default();
    let groups = draft.groups(&mut problems, None);
    render(&NewPage {
        may_file: person.caller.rights.has(Right::FileTerms),
        person,
        templates: Template::ALL,
        groups,
        others: problems.others(),
        checked: count,
        erps: erps(env),
    })
}

/// `GET /filing/new`
pub(super) async fn new(
    State(env): State<Arc<Environment>>,
    person: Person,
    Parameters(begin): Parameters<Begin>,
) -> Result<Response, ApiError> {
    let tree = if begin.copy.is_empty() {
        of_template(&begin.template, person.today(&env))?
    } else {
        copy(&env, &begin.copy).await?
    };
    let mut draft = Draft::of_tree(&tree);
    if draft.text("milestoned.erp").is_empty() {
        let erps = erps(&env);
        let usual = env.settings.agreements.erp.clone().or_else(|| erps.into_iter().next());
        draft.set("milestoned.erp", &usual.unwrap_or_default());
    }
    Ok(new_page(&env, person, &draft, None))
}

fn of_template(name: &str, signed_on: Date) -> Result<Value, ApiError> {
    let template = match name {
        "" => Template::Phased,
        name => Template::ALL.into_iter().find(|template| template.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Template::ALL.iter().map(|template| template.name()).collect();
            ApiError::invalid(format!("template: {name:?} is none of {}", names.join(", ")))
        })?,
    };
    let values = Values { id: UNNAMED, customer: UNNAMED, currency: "USD", total: UNNAMED, signed_on };
    toml_tree(&template.written(&values)).map_err(ApiError::invalid)
}

/// The terms in force of a contract, without what belongs to it alone.
async fn copy(env: &Environment, id: &str) -> Result<Value, ApiError> {
    let row = crate::web::api::known(env, id).await?;
    let mut tree = portfolio::state(&row)?.terms_in_force();
    for own in ["id", "version", "signed_on", "po_number"] {
        tree.remove(own);
    }
    tree.insert("milestoned".into(), options(&row)?);
    Ok(Value::Object(tree))
}

fn options(row: &ContractRow) -> Result<Value, ApiError> {
    let agreement: crate::agreements::Addressee = parse("contract", "agreement", &row.id, &row.agreement)?;
    let Options { owner, policy, .. } = agreement.options;
    let mut options = json!({ "erp": agreement.erp });
    for (name, value) in [("owner", owner.map(Value::from)), ("policy", policy)] {
        if let (Some(options), Some(value)) = (options.as_object_mut(), value) {
            options.insert(name.into(), value);
        }
    }
    Ok(options)
}

/// The button that was pressed, out of what a form sent.
fn button(pairs: &mut Vec<(String, String)>) -> String {
    let place = pairs.iter().position(|(name, _)| name == "do");
    place.map(|place| pairs.remove(place).1).unwrap_or_default()
}

/// `POST /filing/new`: looks at what stands in the form, adds a row, or files it.
pub(super) async fn file(
    State(env): State<Arc<Environment>>,
    person: Person,
    Pairs(mut pairs): Pairs,
) -> Result<Response, ApiError> {
    let button = button(&mut pairs);
    let mut draft = Draft::of_pairs(&pairs);
    if let Some(list) = button.strip_prefix("add:") {
        draft.add_row(list);
        return Ok(new_page(&env, person, &draft, None));
    }
    let (tree, places) = draft.tree();
    let (now, by) = (env.clock.now(), person.caller.actor());
    if button != "file" {
        let problems = problems(agreements::examine(&env, tree, &by, now).await.map(drop), &places)?;
        if button == "problems" {
            return Ok(Json(problems.as_json()).into_response());
        }
        return Ok(new_page(&env, person, &draft, Some(problems)));
    }
    person.caller.may(Right::FileTerms)?;
    match agreements::file(&env, tree, "form", &by, now).await {
        Ok(Filed::Opened(contract) | Filed::Known(contract) | Filed::Amended(contract) | Filed::Waits(contract)) => {
            settle(&env, &person, &contract).await?;
            told(&address::contract("", &contract), &format!("{contract} is filed"))
        }
        Err(refusal) => {
            let problems = problems(Err(refusal), &places)?;
            Ok(new_page(&env, person, &draft, Some(problems)))
        }
    }
}

/// Decides about what was filed, and tells those who wait for it.
async fn settle(env: &Environment, person: &Person, contract: &str) -> Result<(), ApiError> {
    engine::turn(env, |due| due == contract).await?;
    env.wake_ups.send_all();
    person.has_acted().await;
    Ok(())
}

/// What is wrong with what was looked at.
fn problems(outcome: Result<(), Refusal>, places: &BTreeMap<String, String>) -> Result<Problems, ApiError> {
    match outcome {
        Ok(()) => Ok(Problems::default()),
        Err(Refusal::Store(error)) => Err(error.into()),
        Err(Refusal::Changed(id)) => Ok(Problems::of(
            &format!("id: {id} is filed already, with other terms: give another id, or file a change order"),
            places,
            FileKind::Terms,
        )),
        Err(refusal) => Ok(Problems::of(&refusal.to_string(), places, FileKind::Terms)),
    }
}
