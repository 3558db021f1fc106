//! The director's verbs over HTTP, for a program that runs the simulators on their own.

mod crm;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::call::{Call, Reply};
use crate::document::{ErpDocument, Side};
use crate::faults::{FAULTS, FaultSpec};
use crate::hooks::Deliveries;
use crate::jira::Person;
use crate::json::{Json, list, obj};
use crate::serve::{read, respond};
use crate::systems::NAMES;
use crate::{Fields, Refused, Simulators};

/// Serves the verbs until the listener fails.
pub async fn serve_admin(listener: TcpListener, simulators: Arc<Simulators>) -> std::io::Result<()> {
    let app = Router::new().fallback(move |request: Request| {
        let simulators = Arc::clone(&simulators);
        async move {
            let call = read(request).await;
            respond(
                answer(&simulators, &call)
                    .await
                    .unwrap_or_else(|refused| Reply::json(400, &obj! {"error" => refused.0})),
            )
        }
    });
    axum::serve(listener, app).await
}

type Answer = Result<Reply, Refused>;

fn refused(error: impl std::fmt::Display) -> Refused {
    Refused(error.to_string())
}

/// The body of a verb.
struct Body(Fields);

impl Body {
    fn text(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    fn fields(&self) -> Fields {
        self.0.get("fields").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    fn count(&self, name: &str) -> u32 {
        self.text(name).parse().unwrap_or_default()
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, Refused> {
        self.optional(name).map(|text| text.parse().map_err(refused)).transpose()
    }

    fn person(&self) -> Person {
        let text = |name: &str| {
            self.0.get("author").and_then(|author| author.get(name)).and_then(Value::as_str).map(str::to_string)
        };
        match (text("accountId"), text("displayName"), text("email")) {
            (Some(account_id), Some(display_name), Some(email)) => Person { account_id, display_name, email },
            _ => Person::integration(),
        }
    }
}

fn done(id: impl Into<Json>) -> Reply {
    let id: Json = id.into();
    Reply::json(200, &obj! {"id" => id})
}

fn delivered(deliveries: Deliveries) -> Reply {
    let Deliveries { delivered, retried, dropped } = deliveries;
    Reply::json(200, &obj! {"delivered" => delivered, "retried" => retried, "dropped" => dropped})
}

fn documents(all: Vec<ErpDocument>) -> Reply {
    let row = |document: ErpDocument| {
        let side = |side: Side| if side == Side::Debit { "debit" } else { "credit" };
        let lines = document.lines.iter().map(|(account, on, amount)| list![account, side(*on), amount]).collect();
        obj! {
            "number" => document.number, "kind" => document.kind, "date" => document.date, "currency" => document.currency,
            "amount" => document.amount, "customer" => document.customer, "contract" => document.contract,
            "milestone" => document.milestone, "status" => document.status, "remote_id" => document.remote_id,
            "lines" => Json::List(lines),
        }
    };
    Reply::json(200, &Json::List(all.into_iter().map(row).collect()))
}

async fn answer(world: &Simulators, call: &Call) -> Answer {
    let parts = call.parts();
    let text = call.text();
    let body: Fields =
        if text.trim().is_empty() { Fields::new() } else { serde_json::from_str(&text).map_err(refused)? };
    let body = Body(body);
    // an act that is named is done once, however often it is asked for
    let act = body.optional("act").unwrap_or_else(|| format!("admin-{:016x}", rand::random::<u64>()));
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", []) => Ok(Reply::json(200, &addresses(world))),
        (_, ["clock"]) => clock(world, &call.method, &body),
        (method, ["faults"]) => faults(world, method, &body),
        ("GET", ["requests"]) => {
            let rows = NAMES.map(|system| (system.to_string(), counted(world, system)));
            Ok(Reply::json(200, &Json::Object(rows.to_vec())))
        }
        ("GET", ["requests", system]) => Ok(Reply::json(200, &counted(world, system))),
        ("DELETE", ["requests"]) => {
            world.faults.reset_counters();
            Ok(Reply::empty(204))
        }
        ("GET", ["mail"]) => {
            let row = |mail: crate::MailMessage| {
                obj! {"from" => mail.from, "to" => Json::List(mail.to.iter().map(Json::from).collect()), "raw" => mail.raw}
            };
            Ok(Reply::json(200, &Json::List(world.mail.messages().into_iter().map(row).collect())))
        }
        (method, ["salesforce", rest @ ..]) => crm::salesforce(world, method, rest, &act, &body).await,
        (method, ["jira", rest @ ..]) => crm::jira(world, method, rest, &act, &body).await,
        (_, ["netsuite", rest @ ..]) => netsuite(world, rest, &act, &body),
        (_, ["quickbooks", rest @ ..]) => quickbooks(world, rest, &act, &body).await,
        _ => Ok(Reply::empty(404)),
    }
}

fn clock(world: &Simulators, method: &str, body: &Body) -> Answer {
    if method != "GET" {
        if let Some(now) = body.time("now")? {
            world.clock.set(now);
        }
        let ms: i64 = body.text("advance_ms").parse().unwrap_or_default();
        if ms != 0 {
            world.clock.set(world.clock.now() + jiff::SignedDuration::from_millis(ms));
        }
        if body.text("follow") == "true" && !world.clock.resume() {
            return Err(Refused("this clock never followed real time".to_string()));
        }
        if let Some(system) = body.optional("system") {
            world.skew(&system, body.text("skew_ms").parse().map_err(refused)?)?;
        }
    }
    let now = world.clock.now().to_string();
    Ok(Reply::json(200, &obj! {"now" => now, "follows" => world.clock.follows()}))
}

fn faults(world: &Simulators, method: &str, body: &Body) -> Answer {
    match method {
        "GET" => {
            let row = |(name, moment, does): &(&str, &str, &str)| obj! {"name" => *name, "moment" => *moment, "does" => *does};
            let known = Json::List(FAULTS.iter().map(row).collect());
            Ok(Reply::json(200, &obj! {"scheduled" => Json::List(world.faults.scheduled()), "known" => known}))
        }
        "DELETE" => {
            world.faults.clear().map_err(refused)?;
            Ok(Reply::empty(204))
        }
        _ => {
            let spec = FaultSpec {
                name: body.text("name"),
                method: body.optional("method"),
                path: body.optional("path"),
                times: body.count("times"),
                after: body.count("after"),
                every: body.count("every"),
                from: body.time("from")?,
                until: body.time("until")?,
            };
            world.faults.inject(&body.text("system"), spec).map_err(refused)?;
            Ok(Reply::empty(204))
        }
    }
}

fn counted(world: &Simulators, system: &str) -> Json {
    let rows = world.faults.requests(system).into_iter().map(|(name, count)| (name, Json::from(count))).collect();
    obj! {"requests" => Json::Object(rows), "throttled" => world.faults.throttled(system)}
}

fn addresses(world: &Simulators) -> Json {
    let systems = world.list().iter().map(|listed| (listed.name.to_string(), Json::from(&listed.url)));
    Json::Object(systems.chain([("smtp".to_string(), Json::from(&world.smtp_address))]).collect())
}

fn netsuite(world: &Simulators, rest: &[&str], act: &str, body: &Body) -> Answer {
    let erp = &world.netsuite;
    let number = body.text("number");
    match rest {
        ["client"] => {
            let client = erp.client();
            Ok(Reply::json(
                200,
                &obj! {
                    "client_id" => client.client_id, "certificate_id" => client.certificate_id,
                    "private_key" => client.private_key, "account" => erp.account(),
                },
            ))
        }
        ["documents"] => Ok(documents(erp.documents())),
        ["records", kind] => Ok(Reply::json(200, &Json::List(erp.records(kind)))),
        ["put"] => Ok(done(erp.put_record(act, &body.text("type"), &body.text("external_id"), body.fields())?)),
        ["pay"] => Ok(done(erp.pay(act, &number, &body.text("amount"), &body.text("date"))?)),
        ["void"] => erp.void_invoice(act, &number).map(|()| done(number)),
        ["edit"] => erp.edit_invoice(act, &number, body.fields()).map(|()| done(number)),
        ["delete"] => erp.delete_record(act, &body.text("type"), &body.text("id")).map(|()| done(body.text("id"))),
        ["close"] => erp.close_period(act, &body.text("through")).map(|()| done(body.text("through"))),
        [verb] => erp
            .direct(verb, act, &body.0)
            .map_or_else(|| Ok(Reply::empty(404)), |answer| answer.map(|json| Reply::json(200, &json))),
        _ => Ok(Reply::empty(404)),
    }
}

async fn quickbooks(world: &Simulators, rest: &[&str], act: &str, body: &Body) -> Answer {
    let erp = &world.quickbooks;
    let number = body.text("number");
    match rest {
        ["documents"] => Ok(documents(erp.documents())),
        ["records", kind] => Ok(Reply::json(200, &Json::List(erp.records(kind)))),
        ["put"] => Ok(done(erp.put_record(act, &body.text("type"), body.fields())?)),
        ["pay"] => Ok(done(erp.pay(act, &number, &body.text("amount"), &body.text("date"))?)),
        ["void"] => erp.void_invoice(act, &number).map(|()| done(number)),
        ["edit"] => erp.edit_invoice(act, &number, body.fields()).map(|()| done(number)),
        ["delete"] => erp.delete_record(act, &body.text("type"), &body.text("id")).map(|()| done(body.text("id"))),
        ["close"] => erp.close_period(act, &body.text("through")).map(|()| done(body.text("through"))),
        ["preference"] => {
            erp.set_preference(act, &body.text("name"), body.text("value") == "true")?;
            Ok(Reply::empty(204))
        }
        ["webhooks"] => {
            erp.register_webhook(&body.text("url"), &body.text("verifier"))?;
            Ok(Reply::empty(204))
        }
        ["deliver"] => Ok(delivered(erp.deliver_webhooks().await.map_err(refused)?)),
        [verb] => erp
            .direct(verb, act, &body.0)
            .map_or_else(|| Ok(Reply::empty(404)), |answer| answer.map(|json| Reply::json(200, &json))),
        _ => Ok(Reply::empty(404)),
    }
}
