//! What each answer of a remote comes to.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use milestoned_connector_kit::http::{Client, Limits, Published};
use milestoned_connector_kit::{Carried, Class, Clock, Cut, Platform, Transport};
use reqwest::Method;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

const NOW: &str = "2026-03-02T09:00:00Z";

const FREE: Published = Published { windows: &[], in_flight: 4 };

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

fn client(url: &str) -> Client {
    Client::build("remote", url, "x-request-id", &Limits::default(), &FREE, Arc::new(Stopped).into()).unwrap()
}

async fn remote(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(answer.clone()).mount(&server).await;
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    server
}

async fn write(answer: ResponseTemplate) -> Result<u16, Class> {
    let server = remote(answer).await;
    let client = client(&server.uri());
    client
        .write(client.request(Method::POST, "/x"))
        .await
        .map(|answer| answer.status.as_u16())
        .map_err(|fault| fault.class)
}

#[tokio::test]
async fn a_write_without_a_clear_answer_may_have_happened() {
    assert_eq!(write(ResponseTemplate::new(500)).await, Err(Class::Unanswered));
    assert_eq!(write(ResponseTemplate::new(502)).await, Err(Class::Unanswered));
    assert_eq!(write(ResponseTemplate::new(204)).await, Ok(204));
    assert_eq!(write(ResponseTemplate::new(400)).await, Ok(400), "the connector reads the vendor's reason");
}

#[tokio::test]
async fn a_write_that_never_left_did_not_happen() {
    let client = client("http://127.0.0.1:9");
    let fault = client.write(client.request(Method::POST, "/x")).await.unwrap_err();
    assert_eq!(fault.class, Class::Unreachable);
}

#[tokio::test]
async fn a_remote_that_asks_for_time_is_believed() {
    for (header, until) in [("120", "2026-03-02T09:02:00Z"), ("Mon, 02 Mar 2026 10:00:00 GMT", "2026-03-02T10:00:00Z")]
    {
        let answer = ResponseTemplate::new(429).insert_header("retry-after", header);
        assert_eq!(write(answer).await, Err(Class::Throttled { until: Some(until.parse().unwrap()) }));
    }
    assert_eq!(write(ResponseTemplate::new(429)).await, Err(Class::Throttled { until: None }));
    let unavailable = ResponseTemplate::new(503).insert_header("retry-after", "120");
    assert_eq!(write(unavailable.clone()).await, Err(Class::Unanswered), "it may have been carried out");
    let server = remote(unavailable).await;
    let client = client(&server.uri());
    let fault = client.read(client.request(Method::GET, "/x")).await.unwrap_err();
    assert_eq!(fault.class, Class::Throttled { until: Some("2026-03-02T09:02:00Z".parse().unwrap()) });
}

#[tokio::test]
async fn a_read_is_tried_a_few_times_and_no_more() {
    let server = remote(ResponseTemplate::new(500)).await;
    let client = client(&server.uri());
    let fault = client.read(client.request(Method::GET, "/x")).await.unwrap_err();
    assert_eq!(fault.class, Class::Unreachable);
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_remote_that_names_no_time_at_all_is_asked_a_few_times_and_no_more() {
    let server = remote(ResponseTemplate::new(429).insert_header("retry-after", "0")).await;
    let client = client(&server.uri());
    let fault = client.read(client.request(Method::GET, "/x")).await.unwrap_err();
    assert_eq!(fault.class, Class::Throttled { until: Some(NOW.parse().unwrap()) });
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_remote_that_has_moved_is_told_with_its_new_address() {
    let moved = ResponseTemplate::new(301).insert_header("location", "https://new.example/x?token=canary");
    let server = remote(moved).await;
    let client = client(&server.uri());
    let answer = client.read(client.request(Method::GET, "/x")).await.unwrap();
    let told = client.refusal(&answer, "no reason given").to_string();
    assert!(told.contains("https://new.example") && !told.contains("canary"), "{told}");
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let build =
        |url: &str| Client::build("remote", url, "x", &Limits::default(), &FREE, Arc::new(Stopped).into()).err();
    assert!(build("http://example.com").is_some_and(|reason| reason.contains("must be https")));
    assert!(build("https://example.com").is_none() && build("http://127.0.0.1:1").is_none());
}

#[tokio::test]
async fn credentials_go_to_the_configured_addresses_and_nowhere_else() {
    let (server, elsewhere) = (remote(ResponseTemplate::new(200)).await, remote(ResponseTemplate::new(200)).await);
    let client = client(&server.uri());
    let there = format!("{}/job/1", elsewhere.uri());
    let fault = client.read(client.request(Method::GET, &there).bearer_auth("canary-token")).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("no address of this remote"), "{fault}");
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
    let client = client.and("token_url", &elsewhere.uri()).unwrap();
    assert!(client.read(client.request(Method::GET, &there)).await.is_ok());
    let refused = client.and("token_url", "http://127.0.0.2:9/token").err().unwrap();
    assert!(refused.starts_with("token_url: ") && refused.contains("must be https"), "{refused}");
}

#[tokio::test]
async fn what_a_remote_sends_back_of_our_secrets_is_not_told() {
    let basic = "dXNlcjpjYW5hcnktcGFzc3dvcmQ=";
    for echoed in ["canary-bearer-77", basic, "canary-password", "canary-refresh-42", "Y2FuYXJ5LWNsaWVudA"] {
        let answer = ResponseTemplate::new(400).set_body_string(echoed).insert_header("x-request-id", echoed);
        let server = remote(answer).await;
        let client = client(&server.uri());
        for request in [
            client.request(Method::POST, "/x").bearer_auth("canary-bearer-77"),
            client.request(Method::POST, "/x").basic_auth("user", Some("canary-password")),
            client.request(Method::POST, "/x").form(&[("refresh_token", "canary-refresh-42")]),
            client.request(Method::POST, "/x").json(&serde_json::json!({ "client_secret": "canary-client" })),
        ] {
            client.write(request).await.unwrap();
        }
        let answer = client.write(client.request(Method::POST, "/x")).await.unwrap();
        let told = client.refusal(&answer, format!("it said {}", answer.body)).to_string();
        assert!(!told.contains(echoed) && told.contains("[secret]"), "{echoed}: {told}");
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_named() {
    let client = client("http://127.0.0.1:9");
    let fault = client.read(client.request(Method::GET, "/x")).await.unwrap_err();
    assert!(fault.detail.contains("http://127.0.0.1:9: Connection refused"), "{fault}");
}

/// Answers every request so.
struct Says(Result<u16, Cut>);

impl Transport for Says {
    fn carry(&self, request: http::Request<bytes::Bytes>) -> Carried<'_> {
        assert_eq!((request.uri().path(), &request.body()[..]), ("/x", &b"sent"[..]));
        let answer = self.0.map(|status| http::Response::builder().status(status).body("said".into()).unwrap());
        Box::pin(std::future::ready(answer))
    }

    fn wait(&self, _: std::time::Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn a_wire_stands_in_for_the_network() {
    for (says, wanted) in [
        (Ok(200), Ok((200, "said".to_owned()))),
        (Err(Cut::NotSent), Err(Class::Unreachable)),
        (Err(Cut::NoAnswer), Err(Class::Unanswered)),
    ] {
        let platform = Platform { clock: Arc::new(Stopped), transport: Some(Arc::new(Says(says))) };
        let client =
            Client::build("remote", "https://remote.example", "x", &Limits::default(), &FREE, platform).unwrap();
        let answer = client.write(client.request(Method::POST, "/x").body("sent")).await;
        let answer = answer.map(|answer| (answer.status.as_u16(), answer.body)).map_err(|fault| fault.class);
        assert_eq!(answer, wanted);
    }
}

/// Answers only when as many requests are under way as the vendor allows; counts those under way.
struct Full {
    places: usize,
    together: tokio::sync::Barrier,
    flying: std::sync::atomic::AtomicUsize,
}

impl Transport for Full {
    fn carry(&self, _: http::Request<bytes::Bytes>) -> Carried<'_> {
        Box::pin(async {
            let flying = self.flying.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(flying <= self.places, "{flying} requests at once");
            self.together.wait().await;
            self.flying.fetch_sub(1, Ordering::SeqCst);
            Ok(http::Response::new("".into()))
        })
    }

    fn wait(&self, _: std::time::Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

/// Where a vendor limits what is under way at once, a backlog fills every place all the time, and never one more: were a
/// place empty, no request would be answered.
#[tokio::test]
async fn a_backlog_fills_every_place_and_no_more() {
    let transport = Full { places: 15, together: tokio::sync::Barrier::new(15), flying: 0.into() };
    let platform = Platform { clock: Arc::new(Stopped), transport: Some(Arc::new(transport)) };
    let published = Published { windows: &[], in_flight: 15 };
    let client =
        Client::build("remote", "https://remote.example", "x", &Limits::default(), &published, platform).unwrap();
    let calls = (0..300).map(|_| client.write(client.request(Method::POST, "/x")));
    let answers = tokio::time::timeout(std::time::Duration::from_secs(20), futures_util::future::join_all(calls));
    assert!(answers.await.unwrap().iter().all(Result::is_ok));
}
