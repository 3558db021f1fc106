//! Signing in at an identity provider that answers as it likes, through the daemon's own pages.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use milestoned_tests::{ADMIN, World};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

/// The claims of the next ID token.
type Claims = Arc<Mutex<Value>>;

fn key() -> EncodingKey {
    EncodingKey::from_ec_pem(include_bytes!("../../../daemon/oidc/tests/provider/first.pem")).unwrap()
}

async fn token(State(claims): State<Claims>) -> Json<Value> {
    let header = Header { kid: Some("0".into()), ..Header::new(Algorithm::ES256) };
    let id_token = jsonwebtoken::encode(&header, &*claims.lock().unwrap(), &key()).unwrap();
    Json(json!({ "id_token": id_token, "access_token": "a", "token_type": "Bearer" }))
}

struct Company {
    world: World,
    issuer: String,
    claims: Claims,
}

/// A sign-in that was begun: the cookie of the browser, and what the provider was asked for.
struct Begun {
    cookie: String,
    state: String,
    nonce: String,
}

impl Company {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let at = |path: &str| format!("{issuer}{path}");
        let discovery = json!({ "issuer": issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
            "jwks_uri": at("/keys") });
        let mut jwk = Jwk::from_encoding_key(&key(), Algorithm::ES256).unwrap();
        jwk.common.key_id = Some("0".into());
        let keys = json!({ "keys": [jwk] });
        let claims = Claims::default();
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(|| async { Json(discovery) }))
            .route("/keys", get(|| async { Json(keys) }))
            .route("/token", post(token))
            .with_state(Arc::clone(&claims));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let oidc = format!(
            "[identity.oidc]\nissuer = \"{issuer}\"\nclient_id = \"milestoned\"\n\
             groups = {{ finance = [\"view\", \"approve\"] }}\n[mail]"
        );
        let world = World::configured("2026-03-02T09:00:00Z", vec![("[mail]".to_owned(), oidc)]).await.unwrap();
        Self { world, issuer, claims }
    }

    fn browser() -> Client {
        Client::builder().redirect(Policy::none()).build().unwrap()
    }

    async fn begin(&self) -> Begun {
        let ask = Self::browser().post(format!("{}/sign-in/provider", self.world.url));
        let answer = ask.header("origin", self.world.origin()).form(&[("next", "/queue")]).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let asked = reqwest::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let value = |name: &str| asked.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        Begun { cookie, state: value("state"), nonce: value("nonce") }
    }

    /// Comes back from the provider; the session's cookie, or what the page says.
    async fn end(&self, begun: &Begun, query: &[(&str, &str)]) -> Result<String, String> {
        let mut all = vec![("code", "c"), ("state", begun.state.as_str())];
        all.retain(|(name, _)| !query.iter().any(|(other, _)| other == name));
        all.extend(query);
        let back = Self::browser().get(format!("{}/sign-in/callback", self.world.url)).query(&all);
        let answer = back.header("cookie", &begun.cookie).send().await.unwrap();
        let mut cookies = answer.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
        match cookies.find(|cookie| cookie.starts_with("__Host-milestoned=")) {
            Some(cookie) => Ok(cookie.split(';').next().unwrap().to_owned()),
            None => Err(answer.text().await.unwrap()),
        }
    }

    /// Somebody signs in, of whom the provider says this beside what is right.
    async fn sign_in(&self, says: Value) -> Result<String, String> {
        let begun = self.begin().await;
        let second = self.world.app.env.clock.now().as_second();
        let mut claims = json!({ "iss": self.issuer, "aud": "milestoned", "exp": second + 300, "iat": second,
            "nonce": begun.nonce, "sub": "17", "email": "dana@vendor.example", "groups": ["finance"] });
        for (name, value) in says.as_object().unwrap() {
            claims[name] = value.clone();
        }
        *self.claims.lock().unwrap() = claims;
        self.end(&begun, &[]).await
    }

    /// What somebody who is signed in gets to see.
    async fn page(&self, cookie: &str, path: &str) -> (u16, String) {
        let answer =
            Self::browser().get(format!("{}{path}", self.world.url)).header("cookie", cookie).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn an_answer_that_is_used_again_or_is_anothers_signs_nobody_in() {
    let company = Company::open().await;
    let cookie = company.sign_in(json!({})).await.unwrap();
    assert!(company.page(&cookie, "/sessions").await.1.contains("dana@vendor.example"));
    let (one, other) = (company.begin().await, company.begin().await);
    let crossed = Begun { cookie: one.cookie.clone(), state: other.state.clone(), nonce: one.nonce.clone() };
    let said = company.end(&crossed, &[]).await.unwrap_err();
    assert!(said.contains("not that of a sign-in that was begun here"), "another browser's state: {said}");
    let said = company.end(&one, &[]).await.unwrap_err();
    assert!(said.contains("was not begun in this browser"), "a sign-in is ended once, well or not: {said}");
    let said = company.end(&other, &[("iss", "https://evil.example")]).await.unwrap_err();
    assert!(said.contains("another provider"), "{said}");
    for (says, why) in [
        (json!({ "nonce": "old" }), "another sign-in"),
        (json!({ "exp": 1 }), "passed its time"),
        (json!({ "nbf": 4_000_000_000_i64 }), "from the future"),
        (json!({ "iss": "https://evil.example" }), "InvalidIssuer"),
        (json!({ "email": "dana@vendor.example\u{202e}", "sub": "18" }), "Somebody else is known here"),
        (json!({ "email": "milestoned", "sub": "18" }), "Somebody else is known here"),
        (json!({ "email": "Contract Folder", "sub": "18" }), "Somebody else is known here"),
        (json!({ "email": "jira", "sub": "18" }), "Somebody else is known here"),
    ] {
        let said = company.sign_in(says.clone()).await.unwrap_err();
        assert!(said.contains(why), "{says}: {said}");
    }
    let now = company.world.app.env.clock.now();
    for (skew, right) in [(59, true), (61, false)] {
        let late = now.saturating_sub(SignedDuration::from_secs(skew)).unwrap().as_second();
        assert_eq!(company.sign_in(json!({ "exp": late })).await.is_ok(), right, "{skew} s after its end");
    }
    let cookie = company.sign_in(json!({ "groups": null, "sub": "19", "email": "new@vendor.example" })).await.unwrap();
    assert_eq!(company.page(&cookie, "/queue").await.0, 403, "without a group nobody may anything");
}

#[tokio::test]
async fn an_account_of_the_provider_is_one_person_whatever_it_calls_itself_and_nobody_else_is() {
    let company = Company::open().await;
    company.sign_in(json!({})).await.unwrap();
    let cookie = company.sign_in(json!({ "email": "cfo@vendor.example" })).await.unwrap();
    let (_, page) = company.page(&cookie, "/sessions").await;
    assert!(page.contains("dana@vendor.example") && !page.contains("cfo@vendor.example"), "{page}");
    for email in ["dana@vendor.example", " DANA@vendor.example"] {
        let said = company.sign_in(json!({ "sub": "18", "email": email })).await.unwrap_err();
        assert!(said.contains("Somebody else is known here"), "{said}");
    }
    let path = "/v1/accounts/dana@vendor.example/close";
    assert_eq!(company.world.call("POST", path, ADMIN, None).await.unwrap().0, 202);
    assert_ne!(company.page(&cookie, "/sessions").await.0, 200, "the sessions end with it");
    assert!(company.sign_in(json!({ "sub": "18" })).await.is_ok(), "the address has passed on");
    assert!(company.sign_in(json!({})).await.is_err());
}
