//! The director's verbs on the CRM and the project tool.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Answer, Body, delivered, done, refused};
use crate::call::Reply;
use crate::jira::Person;
use crate::json::{Json, obj};
use crate::lot::LotSpec;
use crate::{Refused, Simulators};

/// Switches with some of them changed.
fn changed<S: Serialize + DeserializeOwned>(settings: &S, body: &Body) -> Result<S, Refused> {
    let mut all = serde_json::to_value(settings).map_err(refused)?;
    for (name, value) in &body.0 {
        all[name] = value.clone();
    }
    serde_json::from_value(all).map_err(refused)
}

fn shown<S: Serialize>(settings: &S) -> Answer {
    let all = serde_json::to_value(settings).map_err(refused)?;
    Ok(Reply::json(200, &Json::from(all)))
}

fn lot(body: &Body, now: Timestamp) -> Result<LotSpec, Refused> {
    let number = |name: &str, default: i64| -> Result<i64, Refused> {
        body.optional(name).map_or(Ok(default), |text| text.parse().map_err(refused))
    };
    let count = u64::try_from(number("count", 1)?).map_err(refused)?;
    let step_ms = number("step_ms", 1000)?.max(0);
    let tied = number("tied", 1)?.unsigned_abs().max(1);
    // by default the last one changed just now
    let steps = i64::try_from(count / tied).unwrap_or(i64::MAX);
    let first = now - jiff::SignedDuration::from_millis(steps.saturating_mul(step_ms));
    Ok(LotSpec { count, fields: body.fields(), from: body.time("from")?.unwrap_or(first), step_ms, tied })
}

fn until(world: &Simulators, body: &Body) -> Result<Timestamp, Refused> {
    let ms: i64 = body.text("ms").parse().unwrap_or_default();
    Ok(body.time("until")?.unwrap_or(world.clock.now() + jiff::SignedDuration::from_millis(ms)))
}

fn nothing(done: Result<(), Refused>) -> Answer {
    done.map(|()| Reply::empty(204))
}

fn found(thing: Option<Json>) -> Answer {
    Ok(thing.map_or_else(|| Reply::empty(404), |thing| Reply::json(200, &thing)))
}

fn texts(body: &Body, name: &str) -> Vec<String> {
    let all = body.0.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    all.iter().filter_map(Value::as_str).map(str::to_string).collect()
}

pub(super) async fn salesforce(world: &Simulators, method: &str, rest: &[&str], act: &str, body: &Body) -> Answer {
    let org = &world.salesforce;
    let (object, id) = (body.text("object"), body.text("id"));
    match (method, rest) {
        ("GET", ["records", object]) => Ok(Reply::json(200, &Json::List(org.records(object)))),
        ("GET", ["records", object, key]) => found(org.record(object, key)),
        ("GET", ["deliveries"]) => Ok(Reply::json(200, &org.deliveries())),
        ("GET", ["settings"]) => shown(&org.settings()),
        ("POST", ["settings"]) => {
            let settings = changed(&org.settings(), body)?;
            org.configure(|old| *old = settings);
            shown(&org.settings())
        }
        ("POST", ["put"]) => Ok(done(org.put(act, &object, &body.text("key"), body.fields())?)),
        ("POST", ["generate"]) => Ok(done(org.generate(act, &object, &lot(body, world.clock.now())?)?)),
        ("POST", ["delete"]) => nothing(org.delete(act, &object, &id)),
        ("POST", ["undelete"]) => nothing(org.undelete(act, &object, &id)),
        ("POST", ["purge"]) => nothing(org.purge(act, &object, &id)),
        ("POST", ["lock"]) => {
            nothing(org.lock(act, &object, &id, until(world, body)?, body.text("approval") == "true"))
        }
        ("POST", ["fields"]) => nothing(org.define_field(&object, &body.text("spec"))),
        ("POST", ["hide"]) => nothing(org.hide_field(&object, &body.text("field"), body.text("hidden") != "false")),
        ("POST", ["keys"]) => {
            org.register_key(&body.text("pem"));
            Ok(Reply::empty(204))
        }
        ("POST", ["webhooks"]) => {
            let fields = texts(body, "fields");
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            nothing(org.register_outbound(&body.text("url"), &object, &fields))
        }
        ("POST", ["deliver"]) => Ok(delivered(org.deliver_webhooks().await.map_err(refused)?)),
        _ => Ok(Reply::empty(404)),
    }
}

pub(super) async fn jira(world: &Simulators, method: &str, rest: &[&str], act: &str, body: &Body) -> Answer {
    let site = &world.jira;
    let issue = body.text("issue");
    match (method, rest) {
        ("GET", ["issues"]) => Ok(Reply::json(200, &Json::List(site.issues()))),
        ("GET", ["issues", key]) => found(site.issue(key)),
        ("GET", ["issues", key, "properties", name]) => found(site.property(key, name)),
        ("GET", ["issues", key, "links"]) => Ok(Reply::json(200, &Json::List(site.links(key)))),
        ("GET", ["issues", key, "comments"]) => Ok(Reply::json(200, &Json::List(site.comments(key)))),
        ("GET", ["deliveries"]) => Ok(Reply::json(200, &site.deliveries())),
        ("GET", ["settings"]) => shown(&site.settings()),
        ("POST", ["settings"]) => {
            let settings = changed(&site.settings(), body)?;
            site.configure(|old| *old = settings);
            shown(&site.settings())
        }
        ("POST", ["issues"]) => {
            let made = site.create_issue(act, &body.text("project"), body.fields())?;
            Ok(Reply::json(200, &obj! {"id" => made.id, "key" => made.key}))
        }
        ("POST", ["generate"]) => {
            Ok(done(site.generate(act, &body.text("project"), &lot(body, world.clock.now())?)?))
        }
        ("POST", ["edit"]) => {
            let fields: BTreeMap<String, Value> = body.fields().into_iter().collect();
            nothing(site.edit(act, &issue, &body.person(), fields, body.optional("to_status").as_deref()))
        }
        ("POST", ["delete"]) => nothing(site.delete_issue(act, &issue)),
        ("POST", ["move"]) => {
            Ok(Reply::json(200, &obj! {"key" => site.move_issue(act, &issue, &body.text("project"))?}))
        }
        ("POST", ["archive"]) => nothing(site.archive_issue(act, &issue, body.text("archived") != "false")),
        ("POST", ["hide"]) => nothing(site.hide_from_search(act, &issue, until(world, body)?)),
        ("POST", ["attach"]) => Ok(done(site.attach(act, &issue, &body.person(), &body.text("filename"))?)),
        ("POST", ["webhooks"]) => {
            let events = texts(body, "events");
            let events: Vec<&str> = events.iter().map(String::as_str).collect();
            nothing(site.register_webhook(&body.text("url"), &body.text("secret"), &events))
        }
        ("POST", ["deliver"]) => Ok(delivered(site.deliver_webhooks().await.map_err(refused)?)),
        _ => site_verbs(world, method, rest, act, body),
    }
}

/// Verbs on the site around its issues.
fn site_verbs(world: &Simulators, method: &str, rest: &[&str], act: &str, body: &Body) -> Answer {
    let site = &world.jira;
    match (method, rest) {
        ("POST", ["people"]) => {
            let zone = body.optional("zone").unwrap_or_else(|| "UTC".to_string());
            let person = Person {
                account_id: body.text("accountId"),
                display_name: body.text("displayName"),
                email: body.text("email"),
            };
            nothing(site.add_person(&person, &body.text("token"), &zone))
        }
        ("POST", ["permit"]) => {
            let account = body.optional("account").unwrap_or_else(|| "*".to_string());
            nothing(site.permit(act, &body.text("place"), &account, body.text("allowed") == "true"))
        }
        ("POST", ["projects"]) => nothing(site.set_project(act, &body.text("key"), &body.text("status"))),
        ("POST", ["versions"]) => Ok(done(site.put_version(act, &body.text("project"), body.fields())?)),
        ("POST", ["fields"]) => nothing(site.define_field(&body.text("id"), &body.text("name"), &body.text("kind"))),
        ("POST", ["approvals"]) => {
            Ok(done(site.ask_approval(act, &body.text("issue"), &body.text("name"), &[body.person()])?))
        }
        ("POST", ["approvals", id]) => nothing(site.decide_approval(act, id, &body.person(), &body.text("decision"))),
        _ => Ok(Reply::empty(404)),
    }
}
