//! Metrics for Prometheus, read from the store when they are asked for: they are right after a restart, too.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use milestoned_mapping::contract::Severity;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::intake::StreamHealth;
use crate::store::vocabulary::DeliveryState;

type Labels = Vec<(String, String)>;
type Gauges = Family<Labels, Gauge<i64, AtomicI64>>;

/// `GET /metrics`.
pub async fn show(State(env): State<Arc<Environment>>) -> Response {
    match collect(&env).await {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn collect(env: &Environment) -> Result<String, StoreError> {
    let read = Read {
        waiting: env.store.waiting().await?,
        exceptions: env.store.open_exceptions().await?,
        parked: env.store.parked_record_count().await?,
        contracts: env.store.contract_count().await?,
        streams: env.store.streams().await?,
    };
    Ok(text(&read, env.clock.now()))
}

/// What the metrics are made of.
struct Read {
    waiting: Vec<(String, DeliveryState, i64)>,
    exceptions: Vec<(String, Severity, i64)>,
    parked: i64,
    contracts: i64,
    streams: Vec<StreamHealth>,
}

fn text(read: &Read, now: Timestamp) -> String {
    let mut registry = Registry::default();
    let gauges = |registry: &mut Registry, name: &str, help: &str| {
        let family = Gauges::default();
        registry.register(name, help, family.clone());
        family
    };
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());

    let outbox = gauges(&mut registry, "milestoned_outbox", "Deliveries that wait, by connection and state");
    for (target, state, count) in &read.waiting {
        outbox.get_or_create(&vec![label("target", target), label("state", state.name())]).set(*count);
    }
    let exceptions = gauges(&mut registry, "milestoned_exceptions_open", "Open exceptions by code and severity");
    for (code, severity, count) in &read.exceptions {
        exceptions.get_or_create(&vec![label("code", code), label("severity", &severity.to_string())]).set(*count);
    }
    let parked = gauges(&mut registry, "milestoned_parked_records", "Source records that wait for a person");
    parked.get_or_create(&Vec::new()).set(read.parked);
    let contracts = gauges(&mut registry, "milestoned_contracts", "Contracts");
    contracts.get_or_create(&Vec::new()).set(read.contracts);
    let age =
        gauges(&mut registry, "milestoned_stream_fresh_age_seconds", "Seconds since a stream was read completely");
    for stream in &read.streams {
        let seconds = stream.fresh_through.map_or(i64::MAX, |fresh| now.duration_since(fresh).as_secs());
        age.get_or_create(&vec![label("system", &stream.system), label("stream", &stream.stream)]).set(seconds);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text
}
