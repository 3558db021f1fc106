//! The floor: an inbox and an outbox in SQLite, one writer, one commit for all that waits, HTTP delivery, a mark when it is
//! done. No contract, no decision, no look-up, no audit trail: what is physically there.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::oneshot;

use crate::load::System;
use crate::loopback::Remotes;

const SECRET: &[u8] = b"webhook-secret";

enum Job {
    Accept(String, Bytes, oneshot::Sender<()>),
    Done(i64),
}

fn write(database: &str, queue: &mpsc::Receiver<Job>, out: &tokio::sync::mpsc::UnboundedSender<(i64, Bytes)>) {
    let connection = rusqlite::Connection::open(database).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", 4_000).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE inbox (id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
             CREATE TABLE outbox (id INTEGER PRIMARY KEY, inbox TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0) STRICT",
        )
        .unwrap();
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(511));
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut stored = Vec::new();
        for job in &group {
            match job {
                Job::Accept(id, body, _) => {
                    let mut inbox = connection.prepare_cached("INSERT OR IGNORE INTO inbox VALUES (?1, ?2)").unwrap();
                    if inbox.execute((id, &body[..])).unwrap() == 1 {
                        let sql = "INSERT INTO outbox (inbox) VALUES (?1)";
                        stored.push((connection.prepare_cached(sql).unwrap().insert([id]).unwrap(), body.clone()));
                    }
                }
                Job::Done(id) => {
                    let sql = "UPDATE outbox SET done = 1 WHERE id = ?1";
                    connection.prepare_cached(sql).unwrap().execute([id]).unwrap();
                }
            }
        }
        connection.execute_batch("COMMIT").unwrap();
        for job in group {
            if let Job::Accept(_, _, accepted) = job {
                let _ = accepted.send(());
            }
        }
        stored.into_iter().for_each(|one| out.send(one).unwrap());
    }
}

/// Serves until it is killed; `sink` is `-` where nothing is to be delivered.
pub(crate) async fn serve(database: &str, sink: &str) {
    let (jobs, queue) = mpsc::channel();
    let (out, deliveries) = tokio::sync::mpsc::unbounded_channel();
    let path = database.to_owned();
    std::thread::spawn(move || write(&path, &queue, &out));
    let deliveries = std::sync::Arc::new(tokio::sync::Mutex::new(deliveries));
    let client = reqwest::Client::new();
    for _ in 0..64 {
        let (deliveries, client, jobs, sink) =
            (deliveries.clone(), client.clone(), jobs.clone(), format!("http://{sink}/sink"));
        tokio::spawn(async move {
            loop {
                let Some((id, body)) = deliveries.lock().await.recv().await else { return };
                if body.starts_with(b"{\"id\":-") {
                    continue;
                }
                client.post(&sink).body(body).send().await.unwrap().error_for_status().unwrap();
                jobs.send(Job::Done(id)).unwrap();
            }
        });
    }
    let accept = async move |headers: HeaderMap, body: Bytes| {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
        mac.update(&body);
        let signature = headers.get("x-hub-signature").and_then(|value| hex::decode(value).ok()).unwrap_or_default();
        if mac.verify_slice(&signature).is_err() {
            return StatusCode::UNAUTHORIZED;
        }
        let id = headers["x-id"].to_str().unwrap().to_owned();
        let (accepted, stored) = oneshot::channel();
        jobs.send(Job::Accept(id, body, accepted)).unwrap();
        stored.await.map_or(StatusCode::SERVICE_UNAVAILABLE, |()| StatusCode::ACCEPTED)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    std::fs::write(format!("{database}.address"), listener.local_addr().unwrap().to_string()).unwrap();
    axum::serve(listener, Router::new().route("/hook", post(accept))).await.unwrap();
}

pub(crate) async fn start(home: &Path, remotes: &Remotes) -> System {
    let database = home.join("floor.db");
    let process = Command::new(std::env::current_exe().unwrap())
        .arg("--floor")
        .arg(&database)
        .arg(&remotes.address)
        .spawn()
        .unwrap();
    let file = home.join("floor.db.address");
    while std::fs::read_to_string(&file).map_or(true, |text| text.is_empty()) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let address = std::fs::read_to_string(&file).unwrap();
    System { processes: vec![process], address, request, hold: Some(|_, _| {}) }
}

/// Beyond a million nothing is delivered.
fn request(address: &str, event: usize) -> Vec<u8> {
    let number = if event < 1_000_000 { event.to_string() } else { format!("-{event}") };
    let body = format!("{{\"id\":{number},\"body\":\"{}\"}}", "x".repeat(1_080));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!(
        "POST /hook HTTP/1.1\r\nhost: {address}\r\nx-id: {event}\r\nx-hub-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
