//! Restate, where it is installed: `MILESTONED_RESTATE` names its server, `MILESTONED_RESTATE_SERVICE` the program of
//! `benches/restate`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::load::System;
use crate::loopback::Remotes;

fn programs() -> Option<(String, String)> {
    Some((std::env::var("MILESTONED_RESTATE").ok()?, std::env::var("MILESTONED_RESTATE_SERVICE").ok()?))
}

pub(crate) fn installed() -> bool {
    if programs().is_none() {
        println!("Restate is left out: MILESTONED_RESTATE and MILESTONED_RESTATE_SERVICE name no programs");
    }
    programs().is_some()
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Waits until somebody listens.
pub(crate) async fn answers(address: &str) {
    for _ in 0..6_000 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody listens on {address}");
}

pub(crate) async fn start(home: &Path, remotes: &Remotes) -> System {
    let (server, service) = programs().unwrap();
    let (ingress, admin, node, own) = (free_address(), free_address(), free_address(), free_address());
    let service = Command::new(service)
        .args([&own, &format!("http://{}/sink", remotes.address)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Command::new(server)
        .arg("--base-dir")
        .arg(home)
        .envs([
            ("RESTATE_DISABLE_TELEMETRY", "true"),
            ("RESTATE_INGRESS__BIND_ADDRESS", &ingress),
            ("RESTATE_ADMIN__BIND_ADDRESS", &admin),
            ("RESTATE_BIND_ADDRESS", &node),
            ("RESTATE_ADVERTISED_ADDRESS", &format!("http://{node}")),
            ("RESTATE_DEFAULT_NUM_PARTITIONS", "4"),
            ("RESTATE_AUTO_PROVISION", "true"),
            ("RESTATE_LOG_FILTER", "error"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    answers(&admin).await;
    answers(&own).await;
    let client = reqwest::Client::new();
    for attempt in 0.. {
        let body = serde_json::json!({ "uri": format!("http://{own}"), "force": true });
        let answer = client.post(format!("http://{admin}/deployments")).json(&body).send().await;
        if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
            break;
        }
        assert!(attempt < 100, "Restate does not take the service: {answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    answers(&ingress).await;
    System { processes: vec![server, service], address: ingress, request, hold: None }
}

fn request(address: &str, event: usize) -> Vec<u8> {
    let body = format!("{{\"id\":{event},\"body\":\"{}\"}}", "x".repeat(1_080));
    format!(
        "POST /Milestone/deliver/send HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
