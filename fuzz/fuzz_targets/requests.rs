//! Any query and any body, sent to any operation of the API: it is answered, and never by a server's error. The first byte
//! chooses the operation; the query ends with the first line.
#![no_main]

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use libfuzzer_sys::fuzz_target;
use milestoned_fuzz::daemon::{Daemon, TOKEN};
use serde_json::Value;
use tower::ServiceExt as _;

/// Writes after which a new daemon is started: contracts and facts of former inputs slow it down.
const WRITES: usize = 200;
const TERMS: &str = include_str!("../../deploy/contracts/sow-2041.toml");

struct Under {
    daemon: Daemon,
    router: Router,
    operations: Vec<(String, String)>,
    writes: usize,
}

impl Under {
    fn start() -> Self {
        let daemon = Daemon::start();
        let router = milestoned::web::router(Arc::clone(&daemon.app.env)).unwrap();
        let mut under = Self { daemon, router, operations: Vec::new(), writes: 0 };
        let mut terms = milestoned_mapping::filed::toml_tree(TERMS).unwrap();
        terms["milestoned"] = serde_json::json!({ "erp": "netsuite" });
        let filed = under.send("PUT", "/v1/contracts/SOW-2041", terms.to_string().into());
        assert!(filed.0 < 300, "{filed:?}");
        let description: Value = serde_json::from_str(&under.send("GET", "/openapi.json", Vec::new()).1).unwrap();
        for (path, operations) in description["paths"].as_object().unwrap() {
            let path = path.replace("{milestone}", "M1").replace("{month}", "2026-01").replace("{id}", "SOW-2041");
            let path = path.replace("{contract}", "SOW-2041").replace('{', "").replace('}', "");
            under.operations.extend(operations.as_object().unwrap().keys().map(|verb| (verb.to_uppercase(), path.clone())));
        }
        under
    }

    fn send(&self, method: &str, uri: &str, body: Vec<u8>) -> (u16, String) {
        let request = http::Request::builder().method(method).uri(uri).header("host", "a").header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let Ok(mut request) = request.body(Body::from(body)) else { return (400, String::new()) };
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        self.daemon.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default();
            (status, String::from_utf8_lossy(&body).into_owned())
        })
    }
}

thread_local! {
    static UNDER: RefCell<Option<Under>> = const { RefCell::new(None) };
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let (query, body) = rest.split_at(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    let query: String = query.iter().filter(|byte| byte.is_ascii_graphic() && **byte != b'#').map(|byte| *byte as char).collect();
    UNDER.with_borrow_mut(|under| {
        if under.as_ref().is_none_or(|under| under.writes > WRITES) {
            *under = Some(Under::start());
        }
        let under = under.as_mut().unwrap();
        let (verb, path) = under.operations[usize::from(*choice) % under.operations.len()].clone();
        let uri = if query.is_empty() { path } else { format!("{path}?{query}") };
        let (status, said) = under.send(&verb, &uri, body.to_vec());
        assert!(status < 500 || status == 502 || status == 503, "{verb} {uri}: {status} {said}");
        if verb != "GET" && status < 300 {
            under.writes += 1;
            under.daemon.runtime.block_on(under.daemon.app.decide()).unwrap();
        }
    });
});
