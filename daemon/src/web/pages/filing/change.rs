//! The form of a change order, and of a correction: the terms in force with what is to change written over them. What would follow
//! is shown first; what is filed is what was shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template as Page;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use milestoned_identity::rights::Right;
use milestoned_mapping::address;
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::contract::Contract;
use milestoned_mapping::schema::FileKind;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::person::Person;
use super::super::{filters, render, told};
use super::draft::{CONTRACT, Draft, Group, MILESTONE, Problems};
use super::{button, settle};
use crate::agreements::{self, Examined, Filed, Refusal};
use crate::environment::Environment;
use crate::review::effect::{Effect, effect};
use crate::review::portfolio;
use crate::web::api::known;
use crate::web::extract::{Pairs, Parameters, Segments};
use crate::web::json::Json;
use crate::web::problem::ApiError;

/// Which form.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Kind {
    /// `correction`: what was filed wrong is put right from the date of signature on.
    #[serde(default)]
    kind: String,
}

#[derive(Page)]
#[template(path = "filing_change.html")]
struct ChangePage {
    person: Person,
    may_file: bool,
    contract: String,
    /// The version in force, and the one that this makes.
    version: u32,
    next: u32,
    waiting: usize,
    correction: bool,
    groups: Vec<Group>,
    others: Vec<String>,
    on: String,
    on_problem: String,
    treatment: String,
    signed: bool,
    /// What would follow, once it was looked at and nothing is wrong.
    effect: Option<Effect>,
    seen: String,
    problems: usize,
}

struct Form {
    id: String,
    state: Contract,
    was: Draft,
    sent: Draft,
    /// The version that it makes.
    version: u32,
    /// Change orders that wait for an approval.
    waiting: usize,
}

impl Form {
    async fn of(env: &Environment, id: &str, pairs: Option<&[(String, String)]>) -> Result<Self, ApiError> {
        let state = portfolio::state(&known(env, id).await?)?;
        let mut in_force = state.terms_in_force();
        // The version is counted on by itself.
        in_force.remove("version");
        let was = Draft::of_tree(&Value::Object(in_force));
        let sent = pairs.map_or_else(|| was.clone(), Draft::of_pairs);
        let waiting = env.store.waiting_orders(Some(id.to_owned())).await?;
        let version = agreements::next_version(&state, &waiting);
        Ok(Self { id: id.into(), state, was, sent, version, waiting: waiting.len() })
    }

    /// What was written over the terms in force, as files have it, and where each of its rows stands in the form.
    fn order(&self) -> Result<(Value, BTreeMap<String, String>), String> {
        let (mut order, mut emptied, mut places) = (Map::new(), Vec::new(), BTreeMap::new());
        let now = self.sent.changeable();
        for spec in CONTRACT {
            let (was, sent) = (self.was.text(spec.name), self.sent.text(spec.name));
            if !was.is_empty() && sent.is_empty() {
                emptied.push(spec.name.to_owned());
            } else if let Some(value) = now.get(spec.name).filter(|_| was != sent) {
                order.insert(spec.name.into(), value.clone());
            }
        }
        let known = self.was.rows("milestones").len();
        let (mut changes, mut added, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        for (index, row) in self.was.rows("milestones") {
            let id = row.get("id").cloned().unwrap_or_default();
            if self.sent.is_gone("milestones", index) {
                removed.push(id);
                continue;
            }
            let differs = |name: &str| {
                let path = format!("milestones[{index}].{name}");
                self.was.text(&path) != self.sent.text(&path)
            };
            let sent = self.sent.rows("milestones").into_iter().find(|(at, _)| *at == index).map(|(_, row)| row);
            let mut change = Map::new();
            for spec in MILESTONE.iter().filter(|spec| spec.name != "id" && differs(spec.name)) {
                match sent.as_ref().and_then(|row| row.get(spec.name)) {
                    Some(value) if !self.sent.text(&format!("milestones[{index}].{}", spec.name)).is_empty() => {
                        change.insert(spec.name.into(), value.clone());
                    }
                    _ => emptied.push(format!("milestones[{index}].{}", spec.name)),
                }
            }
            if !change.is_empty() {
                change.insert("id".into(), id);
                places.insert(format!("change[{}]", changes.len()), format!("milestones[{index}]"));
                changes.push(Value::Object(change));
            }
        }
        for (index, row) in self.sent.rows("milestones").into_iter().filter(|(index, _)| *index >= known) {
            places.insert(format!("add[{}]", added.len()), format!("milestones[{index}]"));
            added.push(Value::Object(row));
        }
        if !emptied.is_empty() {
            let told = |path: String| format!("{path}: an emptied field takes nothing back; write what holds instead");
            return Err(emptied.into_iter().map(told).collect::<Vec<_>>().join("\n"));
        }
        for (list, items) in [("change", changes), ("add", added), ("remove", removed)] {
            if !items.is_empty() {
                order.insert(list.into(), Value::Array(items));
            }
        }
        if order.is_empty() {
            return Err("nothing is changed yet: write over what is to change".into());
        }
        self.frame(&mut order);
        Ok((Value::Object(order), places))
    }

    /// What a change order says beside its changes.
    fn frame(&self, order: &mut Map<String, Value>) {
        order.insert("amends".into(), json!(self.id));
        order.insert("version".into(), json!(self.version));
        order.insert("signed".into(), json!(self.sent.text("signed") == "yes"));
        for name in ["treatment", "on"] {
            let text = self.sent.text(name);
            if !text.is_empty() {
                order.insert(name.into(), json!(text));
            }
        }
    }
}

/// What was looked at: the change order with what would follow, or what is wrong.
enum Looked {
    Fine { order: Value, effect: Effect },
    Wrong(Problems),
}

async fn look(env: &Environment, person: &Person, form: &Form) -> Result<Looked, ApiError> {
    let wrong = |told: &str, places: &BTreeMap<String, String>| {
        Ok(Looked::Wrong(Problems::of(told, places, FileKind::ChangeOrder)))
    };
    let (order, places) = match form.order() {
        Ok(order) => order,
        Err(told) => return wrong(&told, &BTreeMap::new()),
    };
    // The effect is asked of the order as if it were signed: an unsigned change order has no effect.
    let mut signed = order.clone();
    signed["signed"] = json!(true);
    match agreements::examine(env, signed, &person.caller.actor(), env.clock.now()).await {
        Ok(Examined::Order(examined)) => match effect(&form.state, &examined.fact) {
            Ok(effect) => Ok(Looked::Fine { order, effect }),
            Err(problem) => wrong(&problem.said(), &places),
        },
        Ok(_) => wrong("this change order was filed before", &places),
        Err(Refusal::Store(error)) => Err(error.into()),
        Err(refusal) => wrong(&refusal.to_string(), &places),
    }
}

/// A digest of a change order and of what it was looked at beside: what is filed is what was shown.
fn seen(form: &Form, order: &Value) -> String {
    DeliveryKey::of(&[&order.to_string(), &form.state.changes().to_string()]).to_string()
}

fn page_of(person: Person, form: &Form, looked: Option<Looked>) -> Response {
    let (mut problems, effect, seen) = match looked {
        None => (Problems::default(), None, String::new()),
        Some(Looked::Wrong(problems)) => (problems, None, String::new()),
        Some(Looked::Fine { order, effect }) => (Problems::default(), Some(effect), seen(form, &order)),
    };
    let groups = form.sent.groups(&mut problems, Some(&form.was));
    let on_problem = problems.take("on");
    render(&ChangePage {
        may_file: person.caller.rights.has(Right::FileTerms),
        contract: form.id.clone(),
        version: form.state.version(),
        next: form.version,
        waiting: form.waiting,
        correction: form.sent.text("kind") == "correction",
        on: form.sent.text("on").to_owned(),
        treatment: form.sent.text("treatment").to_owned(),
        signed: form.sent.text("signed") == "yes",
        problems: problems.count(),
        others: problems.others(),
        on_problem,
        groups,
        effect,
        seen,
        person,
    })
}

/// `GET /filing/change/{id}`
pub(in super::super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
    Parameters(kind): Parameters<Kind>,
) -> Result<Response, ApiError> {
    let mut form = Form::of(&env, &id, None).await?;
    if kind.kind == "correction" {
        form.sent.set("kind", "correction");
        form.sent.set("on", &form.state.terms().signed_on().to_string());
        form.sent.set("treatment", "catch_up");
    }
    Ok(page_of(person, &form, None))
}

/// `POST /filing/change/{id}`: shows what would follow, adds a milestone, or files what was shown.
pub(in super::super) async fn file(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
    Pairs(mut pairs): Pairs,
) -> Result<Response, ApiError> {
    let button = button(&mut pairs);
    let mut form = Form::of(&env, &id, Some(&pairs)).await?;
    if button == "add:milestones" {
        form.sent.add_row("milestones");
        return Ok(page_of(person, &form, None));
    }
    let looked = look(&env, &person, &form).await?;
    if button == "problems" {
        let problems = if let Looked::Wrong(problems) = looked { problems } else { Problems::default() };
        return Ok(Json(problems.as_json()).into_response());
    }
    match looked {
        Looked::Fine { order, .. } if button == "file" && form.sent.text("seen") == seen(&form, &order) => {
            person.caller.may(Right::FileTerms)?;
            let signed = order["signed"] == true;
            let filed = agreements::file(&env, order, "form", &person.caller.actor(), env.clock.now()).await?;
            settle(&env, &person, &id).await?;
            let follows = match (signed, filed) {
                (_, Filed::Waits(_)) => "is filed, and takes no effect before somebody else has approved it",
                (true, _) => "is filed",
                (false, _) => "is filed, and changes nothing until it is signed",
            };
            told(&address::contract("", &id), &format!("version {} {follows}", form.version))
        }
        looked => Ok(page_of(person, &form, Some(looked))),
    }
}
