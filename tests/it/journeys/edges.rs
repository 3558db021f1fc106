//! What strangers meet: connections, headers, tokens, bodies.

use std::time::{Duration, Instant};

use milestoned_tests::{ADMIN, VIEWER, World};
use reqwest::Client;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const NOW: &str = "2026-03-02T09:00:00Z";

async fn with_http(lines: &str) -> World {
    let public = "http.public_url = \"https://milestoned.example\"\n".to_owned();
    World::configured(NOW, vec![("http.public_url".into(), public + lines)]).await.unwrap()
}

async fn raw(world: &World, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// What comes until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    // A reset is an end, too.
    let _ = read.expect("the server closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn who_says_nothing_half_of_it_or_too_slowly_is_cut_off() {
    let world = with_http("http.idle_timeout = \"300ms\"").await;
    for begun in ["", "GET /healthz HTTP/1.1\r\nhost: x\r\n", "POST /v1/contracts HTTP/1.1\r\nho"] {
        let begin = Instant::now();
        rest(raw(&world, begun).await).await;
        assert!(begin.elapsed() < Duration::from_secs(5), "{begun:?}");
    }
}

#[tokio::test]
async fn who_asks_and_does_not_take_the_answers_is_cut_off() {
    let world = with_http("http.idle_timeout = \"300ms\"").await;
    let ask = format!("GET /openapi.json HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {VIEWER}\r\n\r\n");
    let mut stream = raw(&world, &ask).await;
    let cut_off = async { while stream.write_all(ask.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), cut_off).await.expect("its answers fill no memory for ever");
}

#[tokio::test]
async fn idle_connections_make_room_for_those_that_ask() {
    let world = with_http("http.connections = 16").await;
    let mut idle = Vec::new();
    for begun in ["", "GET /healthz HTTP/1.1\r\nx: "].repeat(50) {
        idle.push(raw(&world, begun).await);
    }
    let begin = Instant::now();
    for _ in 0..20 {
        let answer = Client::new().get(format!("{}/healthz", world.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_request_names_one_host_and_speaks_http_1() {
    let world = World::start(NOW).await.unwrap();
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "200"),
    ] {
        let answer = rest(raw(&world, head).await).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head:?}: {answer}");
    }
    for (first, second) in [(VIEWER, "wrong"), ("wrong", VIEWER), (VIEWER, VIEWER)] {
        let two = format!("authorization: Bearer {first}\r\nauthorization: Bearer {second}\r\n");
        let head = format!("GET /v1/contracts HTTP/1.1\r\nhost: a\r\n{two}connection: close\r\n\r\n");
        let answer = rest(raw(&world, &head).await).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "one of two tokens is believed: {answer}");
    }
    let answer = rest(raw(&world, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await).await;
    assert!(!answer.contains(" 200"), "{answer}");
}

#[tokio::test]
async fn every_answer_tells_browsers_what_they_must_not_do() {
    let world = World::start(NOW).await.unwrap();
    for path in ["/sign-in", "/v1/contracts", "/style.css", "/nowhere"] {
        let answer = Client::new().get(format!("{}{path}", world.url)).bearer_auth(VIEWER).send().await.unwrap();
        for (name, value) in [
            ("content-security-policy", "default-src 'none'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("permissions-policy", "camera=()"),
            ("strict-transport-security", "max-age="),
        ] {
            let told = answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            assert!(told.contains(value), "{path}: {name}: {told}");
        }
    }
}

#[tokio::test]
async fn what_is_read_bears_a_tag_and_nothing_is_written_on_a_condition() {
    let world = World::start(NOW).await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let url = format!("{}/v1/contracts/SOW-1", world.url);
    let get = |known: String| Client::new().get(&url).bearer_auth(VIEWER).header("if-none-match", known).send();
    let first = get("\"other\"".into()).await.unwrap();
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!((first.status().as_u16(), first.text().await.unwrap().is_empty()), (200, false));
    let again = get(format!("\"other\", W/{tag}")).await.unwrap();
    assert_eq!((again.status().as_u16(), again.text().await.unwrap().as_str()), (304, ""));
    let order = serde_json::json!({ "version": 2, "signed": true, "po_number": "7" });
    let write = Client::new().post(format!("{url}/amendments")).bearer_auth(ADMIN).header("if-match", "\"old\"");
    assert_eq!(write.json(&order).send().await.unwrap().status(), 412);
    assert_eq!(world.app.env.store.waiting_orders(None).await.unwrap().len(), 0);
    world.settle().await.unwrap();
    let (_, contract) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
    assert!(!contract.to_string().contains("\"po_number\":\"7\""), "{contract}");
}

#[tokio::test]
async fn what_names_targets_and_codes_wants_a_token_unless_it_is_opened() {
    let get = |url: String| async move { Client::new().get(url).send().await.unwrap().status().as_u16() };
    let world = World::start(NOW).await.unwrap();
    for path in ["/metrics", "/openapi.json"] {
        assert_eq!(get(format!("{}{path}", world.url)).await, 401, "{path}");
        assert_eq!(world.call("GET", path, VIEWER, None).await.unwrap().0, 200, "{path}");
    }
    for hook in ["jira", "netsuite", "nowhere"] {
        let answer = Client::new().post(format!("{}/hooks/{hook}", world.url)).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), 401, "{hook}");
    }
    let world = with_http("http.without_token = [\"metrics\"]").await;
    assert_eq!(get(format!("{}/metrics", world.url)).await, 200);
    assert_eq!(get(format!("{}/openapi.json", world.url)).await, 401);
}

/// What an answer has and its description lacks, or the other way round.
fn undescribed(document: &Value, schema: &Value, answer: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return undescribed(document, document.pointer(&name[1..]).unwrap(), answer, path, found);
    }
    if let Some(known) = schema["oneOf"].as_array().and_then(|any| any.iter().find(|schema| schema["type"] != "null")) {
        return undescribed(document, known, answer, path, found);
    }
    match answer {
        Value::Array(items) => {
            items.iter().for_each(|item| undescribed(document, &schema["items"], item, &format!("{path}[]"), found));
        }
        Value::Object(fields) if schema["properties"].is_object() => {
            for (name, value) in fields {
                match schema["properties"].get(name) {
                    Some(schema) => undescribed(document, schema, value, &format!("{path}.{name}"), found),
                    None => found.push(format!("{path}.{name} is not described")),
                }
            }
            let due = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            found
                .extend(due.filter(|name| !fields.contains_key(*name)).map(|name| format!("{path}.{name} is missing")));
        }
        _ => {}
    }
}

#[tokio::test]
async fn answers_are_as_the_api_describes_them() {
    let world = World::start(NOW).await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "12.35").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    let (_, document) = world.call("GET", "/openapi.json", VIEWER, None).await.unwrap();
    let mut found = Vec::new();
    for (path, address) in [
        ("/v1/contracts", "/v1/contracts"),
        ("/v1/contracts/{id}", "/v1/contracts/SOW-1"),
        ("/v1/contracts/{id}/as-of", "/v1/contracts/SOW-1/as-of?date=2026-03-02"),
        ("/v1/contracts/{id}/explanation", "/v1/contracts/SOW-1/explanation"),
        ("/v1/documents", "/v1/documents"),
        ("/v1/deliveries", "/v1/deliveries"),
        ("/v1/exceptions", "/v1/exceptions"),
        ("/v1/queue", "/v1/queue"),
        ("/v1/audit", "/v1/audit"),
        ("/v1/events", "/v1/events"),
        ("/v1/plan", "/v1/plan"),
    ] {
        let (status, answer) = world.call("GET", address, ADMIN, None).await.unwrap();
        assert_eq!(status, 200, "{address}: {answer}");
        let schema = &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} has no schema");
        undescribed(&document, schema, &answer, path, &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn every_answer_that_the_api_describes_has_a_description() {
    let world = World::start(NOW).await.unwrap();
    let (_, document) = world.call("GET", "/openapi.json", VIEWER, None).await.unwrap();
    let mut answers = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let told = answer["description"].as_str().unwrap_or_default();
                assert!(!told.is_empty(), "{path} {status}: {answer}");
                for (media, body) in answer["content"].as_object().into_iter().flatten() {
                    let says = ["$ref", "type", "oneOf"].iter().any(|key| body["schema"].get(key).is_some());
                    assert!(says || !media.contains("json"), "{path} {status} says nothing of its body: {answer}");
                }
                answers += 1;
            }
        }
    }
    assert!(answers > 40, "{answers}");
}

#[tokio::test]
async fn a_key_that_stands_twice_is_refused_and_every_refusal_is_the_apis_own() {
    let world = World::start(NOW).await.unwrap();
    let put = |kind: &'static str, body: String| {
        let url = format!("{}/v1/contracts/D-1", world.url);
        Client::new().put(url).bearer_auth(ADMIN).header("content-type", kind).body(body).send()
    };
    for (kind, body, status, code) in [
        ("application/json", r#"{"total": "1.00", "total": "1000000.00"}"#.to_owned(), 400, "NOT_JSON"),
        ("application/json", "{".to_owned(), 400, "NOT_JSON"),
        ("text/plain", "{}".to_owned(), 415, "NOT_JSON"),
        ("application/json", "[".repeat(2_000_000), 413, "BODY_NOT_READ"),
    ] {
        let answer = put(kind, body).await.unwrap();
        let was = answer.status().as_u16();
        let told: serde_json::Value = answer.json().await.unwrap_or_default();
        assert_eq!((was, told["code"].as_str()), (status, Some(code)), "{told}");
    }
}

#[tokio::test]
async fn a_query_that_nothing_reads_is_refused() {
    let world = World::start(NOW).await.unwrap();
    for asked in ["plan?contract=D-1", "customers?limit=1", "contracts/D-1?as_of=2026-01-31", "contracts?nope=1"] {
        let (status, told) = world.call("GET", &format!("/v1/{asked}"), ADMIN, None).await.unwrap();
        assert_eq!((status, &told["code"]), (400, &"INVALID".into()), "{asked}: {told}");
    }
}

#[tokio::test]
async fn a_file_is_described_as_one_and_not_as_a_list_of_numbers() {
    let world = World::start(NOW).await.unwrap();
    let (_, document) = world.call("GET", "/openapi.json", ADMIN, None).await.unwrap();
    for path in ["/v1/workbook", "/v1/closes/{month}/package.zip"] {
        let content = document["paths"][path]["get"]["responses"]["200"]["content"].as_object().unwrap();
        assert!(content.values().all(|body| body["schema"]["format"] == "binary"), "{path}: {content:?}");
    }
}

#[tokio::test]
async fn an_address_that_guesses_tokens_is_heard_less_and_it_is_told() {
    let world = World::start(NOW).await.unwrap();
    let ask = |token: &'static str| async { world.call("GET", "/v1/contracts", token, None).await.unwrap().0 };
    for _ in 0..5 {
        assert_eq!(ask("wrong").await, 401);
    }
    assert_eq!((ask("wrong").await, ask(ADMIN).await), (429, 429));
    world.at("2026-03-02T09:00:01Z").unwrap();
    assert_eq!(ask(ADMIN).await, 200);
    let lines = world.app.env.store.audit(None, 100).await.unwrap();
    let told: Vec<_> = lines.iter().filter(|line| line.action == "wrong tokens").collect();
    assert!(told.len() == 1 && told[0].subject == "address 127.0.0.1", "{told:?}");
    let (_, metrics) = world.call("GET", "/metrics", VIEWER, None).await.unwrap();
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("milestoned_wrong_tokens_total 5\n"), "{metrics}");
}

#[tokio::test]
async fn a_method_that_an_address_has_not_is_refused_in_words() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let (status, said) = world.call("POST", "/v1/contracts", ADMIN, None).await.unwrap();
    assert_eq!((status, said["code"].as_str()), (405, Some("METHOD_NOT_ALLOWED")), "{said}");
}
