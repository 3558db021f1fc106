//! A small world for each test.
#![expect(dead_code, reason = "each test file uses its own part")]

pub(crate) mod erp;

use milestoned_mocks::{Fields, Options, Simulators};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

pub(crate) const NOW: &str = "2026-11-24T12:00:00Z";

pub(crate) async fn start(dir: Option<&std::path::Path>) -> Simulators {
    let options = Options { dir: dir.map(Into::into), first_port: None, now: NOW.parse().unwrap() };
    Simulators::start(options).await.unwrap()
}

pub(crate) fn fields(value: Value) -> Fields {
    value.as_object().cloned().unwrap()
}

pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
}

pub(crate) fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_string()).unwrap_or_default()
}

pub(crate) async fn salesforce_token(world: &Simulators) -> String {
    let form = [("grant_type", "client_credentials")];
    let url = format!("{}/services/oauth2/token", world.url("salesforce"));
    let request = Client::new().post(url).basic_auth("CONSUMER_KEY", Some("CONSUMER_SECRET")).form(&form);
    answer(request).await.1["access_token"].as_str().unwrap().to_string()
}

pub(crate) async fn netsuite_token(world: &Simulators) -> String {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let client = world.netsuite.client();
    let url = format!("{}/services/rest/auth/oauth2/v1/token", world.url("netsuite"));
    let now = world.clock.now().as_second();
    let claims =
        json!({"iss": client.client_id, "scope": "rest_webservices", "aud": url, "iat": now, "exp": now + 3000});
    let mut head = Header::new(Algorithm::ES256);
    head.kid = Some(client.certificate_id);
    let key = EncodingKey::from_ec_pem(client.private_key.as_bytes()).unwrap();
    let assertion = jsonwebtoken::encode(&head, &claims, &key).unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
    ];
    let (status, body) = answer(Client::new().post(url).form(&form)).await;
    assert_eq!(status, 200, "{body}");
    body["access_token"].as_str().unwrap().to_string()
}

/// A server that keeps the webhooks it gets and answers with `status`.
pub(crate) async fn hook(
    status: u16,
) -> (String, tokio::sync::mpsc::UnboundedReceiver<(axum::http::HeaderMap, String)>) {
    let (put, get) = tokio::sync::mpsc::unbounded_channel();
    let app = axum::Router::new().fallback(move |headers: axum::http::HeaderMap, body: String| {
        let put = put.clone();
        async move {
            put.send((headers, body)).unwrap();
            axum::http::StatusCode::from_u16(status).unwrap()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, get)
}

/// A system as one caller sees it.
pub(crate) struct Api {
    base: String,
    header: String,
}

impl Api {
    pub(crate) async fn salesforce(world: &Simulators) -> Api {
        let token = salesforce_token(world).await;
        Api { base: format!("{}/services/data/v62.0", world.url("salesforce")), header: format!("Bearer {token}") }
    }

    pub(crate) fn jira(world: &Simulators) -> Api {
        // mia@example.test:api-token
        let header = "Basic bWlhQGV4YW1wbGUudGVzdDphcGktdG9rZW4=".to_string();
        Api { base: format!("{}/rest/api/3", world.url("jira")), header }
    }

    /// The same with other credentials; an empty header sends none.
    pub(crate) fn signed(&self, header: &str) -> Api {
        Api { base: self.base.clone(), header: header.to_string() }
    }

    /// The same system at another place.
    pub(crate) fn at(&self, base: &str) -> Api {
        Api { base: base.to_string(), header: self.header.clone() }
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> RequestBuilder {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let request = client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        let request = if self.header.is_empty() { request } else { request.header("authorization", &self.header) };
        if body.is_null() { request } else { request.json(body) }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(method, path, &body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, Value::Null).await
    }

    /// The rows of a query, or the code of its error.
    pub(crate) async fn soql(&self, soql: &str) -> Result<Value, String> {
        let request = self.request("GET", "/query", &Value::Null).query(&[("q", soql)]);
        let (status, body) = answer(request).await;
        if status == 200 { Ok(body) } else { Err(body[0]["errorCode"].as_str().unwrap().to_string()) }
    }
}

/// Status and the vendor's code or text of a refusal.
pub(crate) fn refused((status, body): &(u16, Value)) -> (u16, String) {
    let places = ["/0/errorCode", "/error", "/errorMessages/0", "/errors/comment", "/detail"];
    let said = places.iter().find_map(|place| body.pointer(place).and_then(Value::as_str));
    (*status, said.unwrap_or_default().to_string())
}
