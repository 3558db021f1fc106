//! Metrics for Prometheus, read from the store when they are asked for: they are right after a restart, too.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use milestoned_mapping::contract::Severity;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::guesses::Guesses;
use super::process;
use crate::environment::Environment;
use crate::integrity::Compared;
use crate::review::item::Item;
use crate::review::queue::{Filter, queue};
use crate::review::subject::KINDS;
use crate::store::StoreError;
use crate::store::census;
use crate::store::intake::StreamHealth;
use crate::store::vocabulary::DeliveryState;

/// Kinds of thing that are counted in the database: there may be tens of thousands.
const DECIDED: [&str; 3] = ["approval", "drift", "exception"];

type Labels = Vec<(String, String)>;
type Gauges = Family<Labels, Gauge<i64, AtomicI64>>;

/// `GET /metrics`.
pub async fn show(State(env): State<Arc<Environment>>, Extension(guesses): Extension<Arc<Guesses>>) -> Response {
    match collect(&env, &guesses).await {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn collect(env: &Environment, guesses: &Guesses) -> Result<String, StoreError> {
    let others: Vec<&str> = KINDS.into_iter().filter(|kind| !DECIDED.contains(kind)).collect();
    let read = Read {
        waiting: env.store.waiting().await?,
        decided: env.store.decided_and_waiting().await?,
        items: queue(env, &Filter::of_kinds(&others)).await?,
        contracts: env.store.contract_count().await?,
        streams: env.store.streams().await?,
        audit: env.store.audit_head().await?.seq,
        compared: env.integrity.latest(),
    };
    let mut registry = Registry::default();
    process::register(&mut registry, env, guesses);
    register(&mut registry, &read, env.clock.now());
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    Ok(text)
}

/// What the metrics are made of.
struct Read {
    waiting: Vec<(String, DeliveryState, i64)>,
    /// What is counted in the database: kind of thing, code, severity, how many.
    decided: Vec<(String, String, Severity, i64)>,
    /// Everything else that waits.
    items: Vec<Item>,
    contracts: i64,
    streams: Vec<StreamHealth>,
    audit: i64,
    compared: Option<Compared>,
}

fn register(registry: &mut Registry, read: &Read, now: Timestamp) {
    let gauges = |registry: &mut Registry, name: &str, help: &str| {
        let family = Gauges::default();
        registry.register(name, help, family.clone());
        family
    };
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());

    let outbox = gauges(registry, "milestoned_outbox", "Deliveries that wait, by connection and state");
    for (target, state, count) in &read.waiting {
        outbox.get_or_create(&vec![label("target", target), label("state", state.name())]).set(*count);
    }
    let waits = gauges(registry, "milestoned_queue", "What waits for a person, by kind and severity");
    for kind in KINDS {
        waits.get_or_create(&vec![label("kind", kind), label("severity", "blocking")]).set(0);
    }
    let exceptions = gauges(registry, "milestoned_exceptions_open", "Open exceptions by code and severity");
    let parked = gauges(registry, "milestoned_parked_records", "Source records that wait for a person");
    parked.get_or_create(&Vec::new()).set(0);
    for (kind, code, severity, count) in &read.decided {
        let severity = label("severity", &severity.to_string());
        waits.get_or_create(&vec![label("kind", kind), severity.clone()]).inc_by(*count);
        if !code.is_empty() {
            exceptions.get_or_create(&vec![label("code", code), severity]).inc_by(*count);
        }
    }
    for item in &read.items {
        waits.get_or_create(&vec![label("kind", item.kind), label("severity", &item.severity.to_string())]).inc();
        if item.kind == "record" {
            parked.get_or_create(&Vec::new()).inc();
        }
    }
    let contracts = gauges(registry, "milestoned_contracts", "Contracts");
    contracts.get_or_create(&Vec::new()).set(read.contracts);
    let files = gauges(registry, "milestoned_refused_files", "Contract files that wait for a person");
    let refused = read.items.iter().filter(|item| item.kind == "file").count();
    files.get_or_create(&Vec::new()).set(i64::try_from(refused).unwrap_or(i64::MAX));
    let lines = Counter::<u64>::default();
    lines.inc_by(u64::try_from(read.audit).unwrap_or(0));
    registry.register("milestoned_audit_lines", "Lines of the audit trail", lines);
    let unattested = gauges(registry, "milestoned_unattested_rows", "Rows and lines that are not as they were written");
    let verified = gauges(
        registry,
        "milestoned_verification_age_seconds",
        "Seconds since everything was compared with what attests it",
    );
    if let Some(compared) = &read.compared {
        unattested.get_or_create(&Vec::new()).set(i64::try_from(compared.flaws.len()).unwrap_or(i64::MAX));
        verified.get_or_create(&Vec::new()).set(seconds_since(compared.at, now));
    }
    let age = gauges(registry, "milestoned_stream_fresh_age_seconds", "Seconds since a stream was read completely");
    let counted =
        gauges(registry, "milestoned_census_age_seconds", "Seconds since the records of a stream were counted");
    let fault = gauges(registry, "milestoned_stream_fault_seconds", "Seconds for which a stream cannot be read");
    for stream in &read.streams {
        let census = census::counted(&stream.stream);
        let labels = vec![label("system", &stream.system), label("stream", census.unwrap_or(&stream.stream))];
        let ages = if census.is_some() { &counted } else { &age };
        ages.get_or_create(&labels).set(stream.fresh_through.map_or(i64::MAX, |fresh| seconds_since(fresh, now)));
        let labels = vec![label("system", &stream.system), label("stream", &stream.stream)];
        fault.get_or_create(&labels).set(stream.fault_since.map_or(0, |since| seconds_since(since, now)));
    }
}

/// A time that is to come was told by a clock that was wrong: what it was about counts as never done.
fn seconds_since(past: Timestamp, now: Timestamp) -> i64 {
    let seconds = now.duration_since(past).as_secs();
    if seconds < -300 { i64::MAX } else { seconds.max(0) }
}
