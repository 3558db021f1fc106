//! QuickBooks: tokens, request ids, numbers, payments, webhooks; and the mail relay.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use milestoned_mocks::{FaultSpec, Simulators};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use world::{answer, fields, hook, start};

fn call(world: &Simulators, method: Method, path: &str) -> RequestBuilder {
    let url = format!("{}/v3/company/9341452000000001{path}", world.url("quickbooks"));
    Client::new().request(method, url).bearer_auth("at-smoke").header("accept", "application/json")
}

fn invoice(number: &str, amount: &str) -> Value {
    let amount: Value = serde_json::from_str(amount).unwrap();
    let detail = json!({"ItemRef": {"value": "1"}, "Qty": 1, "UnitPrice": amount});
    let line = json!({"Amount": amount, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail});
    json!({"CustomerRef": {"value": "101"}, "DocNumber": number, "TxnDate": "2026-11-20", "Line": [line]})
}

async fn company() -> Simulators {
    let world = start(None).await;
    world.quickbooks.put_record("c", "Customer", fields(json!({"DisplayName": "Acme"}))).unwrap();
    world
}

#[tokio::test]
async fn request_ids_numbers_and_tokens() {
    let world = company().await;
    let post = |path: &str, body: &Value| call(&world, Method::POST, path).json(body);
    let (status, first) = answer(post("/invoice?requestid=r1", &invoice("MS-1", "362.07"))).await;
    assert_eq!(
        (status, &first["Invoice"]["SyncToken"], &first["Invoice"]["Balance"]),
        (200, &json!("0"), &json!(362.07))
    );
    world.quickbooks.pay("p", "MS-1", "62.07", "2026-11-24").unwrap();
    assert_eq!(answer(post("/invoice?requestid=r1", &invoice("MS-1", "362.07"))).await.1, first);
    let (status, body) = answer(post("/invoice?requestid=r2", &invoice("MS-1", "1"))).await;
    assert_eq!((status, &body["Fault"]["Error"][0]["code"]), (400, &json!("6140")));
    assert!(
        body["Fault"]["Error"][0]["Detail"].as_str().unwrap().ends_with("assigned to TxnType=Invoice with TxnId=101")
    );
    let stale = json!({"Id": "101", "SyncToken": "0", "sparse": true, "PrivateNote": "x"});
    assert_eq!(answer(post("/invoice", &stale)).await.1["Fault"]["Error"][0]["code"], "5010");
    let text =
        call(&world, Method::GET, "/query").query(&[("query", "select * from Invoice where DocNumber = 'MS-1'")]);
    let (_, found) = answer(text).await;
    assert_eq!(
        (&found["QueryResponse"]["Invoice"][0]["Balance"], &found["QueryResponse"]["maxResults"]),
        (&json!(300), &json!(1))
    );
    let text = call(&world, Method::POST, "/query").body("select * from Invoice where PrivateNote = 'x'");
    assert_eq!(answer(text).await.1["Fault"]["Error"][0]["code"], "4001");
    let (_, none) = answer(call(&world, Method::POST, "/query").body("select * from CreditMemo")).await;
    assert_eq!(none["QueryResponse"], json!({}));
    let (_, cdc) =
        answer(call(&world, Method::GET, "/cdc?entities=Invoice&changedSince=2026-11-24T00:00:00-08:00")).await;
    assert_eq!(cdc["CDCResponse"][0]["QueryResponse"][0]["Invoice"][0]["Id"], "101");
    world.quickbooks.close_period("x", "2026-11-30").unwrap();
    assert_eq!(answer(post("/invoice", &invoice("MS-2", "5"))).await.1["Fault"]["Error"][0]["code"], "6210");

    world.clock.set("2026-11-24T13:30:00Z".parse().unwrap());
    let (status, body) = answer(call(&world, Method::GET, "/invoice/101")).await;
    assert_eq!((status, &body["fault"]["error"][0]["code"]), (401, &json!("3200")));
    let refresh = |token: &'static str| {
        let url = format!("{}/oauth2/v1/tokens/bearer", world.url("quickbooks"));
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        Client::new().post(url).basic_auth("cid", Some("csecret")).form(&form)
    };
    assert_eq!(answer(refresh("rt-smoke-1")).await.1["refresh_token"], "rt-smoke-2");
    assert_eq!(answer(refresh("rt-smoke-1")).await.1["error"], "invalid_grant");
    world.stop().await;
}

#[tokio::test]
async fn events_of_a_time_come_in_one_signed_message() {
    let world = company().await;
    let (url, mut got) = hook(200).await;
    world.quickbooks.register_webhook(&url, "vtok").unwrap();
    answer(call(&world, Method::POST, "/invoice").json(&invoice("A", "10"))).await;
    world.quickbooks.pay("p", "A", "10", "2026-11-24").unwrap();
    world.faults.inject("quickbooks", FaultSpec::new("duplicate")).unwrap();
    assert_eq!(world.quickbooks.deliver_webhooks().await.unwrap().delivered, 1);
    let ((headers, body), (_, again)) = (got.recv().await.unwrap(), got.recv().await.unwrap());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"vtok").unwrap();
    mac.update(body.as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!((headers["intuit-signature"].to_str().unwrap(), &body), (signature.as_str(), &again));
    let events: Value = serde_json::from_str(&body).unwrap();
    let types: Vec<&str> = events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    // in no order of time
    assert_eq!(types, ["qbo.payment.created.v1", "qbo.invoice.updated.v1", "qbo.invoice.created.v1"]);
    assert_eq!(world.quickbooks.documents().last().unwrap().kind, "payment");
    world.stop().await;
}

#[tokio::test]
async fn mail_is_kept() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let dir = tempfile::tempdir().unwrap();
    let world = start(Some(dir.path())).await;
    let mut line = tokio::net::TcpStream::connect(&world.smtp_address).await.unwrap();
    let talk = "EHLO x\r\nMAIL FROM:<a@x.test> SIZE=9\r\nRCPT TO:<b@x.test>\r\nDATA\r\nSubject: hi\r\n\r\n..dot\r\n.\r\nQUIT\r\n";
    line.write_all(talk.as_bytes()).await.unwrap();
    let mut heard = String::new();
    line.read_to_string(&mut heard).await.unwrap();
    assert!(heard.contains("354 ") && heard.ends_with("221 2.0.0 Bye\r\n"), "{heard}");
    world.stop().await;
    let world = start(Some(dir.path())).await;
    let mail = &world.mail.messages()[0];
    assert_eq!(
        (mail.from.as_str(), mail.to[0].as_str(), mail.raw.as_str()),
        ("a@x.test", "b@x.test", "Subject: hi\r\n\r\n.dot\r\n")
    );
    assert!(dir.path().join("mail/0001.eml").exists());
    world.stop().await;
}
