//! Signing in at an identity provider that answers as it likes, through the daemon's own pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use jiff::SignedDuration;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use milestoned_tests::{ADMIN, World};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

/// What the provider says next.
#[derive(Default)]
struct Says {
    /// The claims of the ID token.
    claims: Value,
    /// Whether it gives refresh tokens, each of which it takes once.
    refreshes: bool,
    /// What it answers, where it is asked again: `None`, an ID token.
    error: Option<(StatusCode, &'static str)>,
    /// The refresh tokens with which it was asked again.
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Says>>;

fn key() -> EncodingKey {
    EncodingKey::from_ec_pem(include_bytes!("../../../daemon/oidc/tests/provider/first.pem")).unwrap()
}

async fn token(State(says): State<Shared>, Form(form): Form<BTreeMap<String, String>>) -> (StatusCode, Json<Value>) {
    let mut says = says.lock().unwrap();
    if let Some(refresh_token) = form.get("refresh_token") {
        says.asked.push(refresh_token.clone());
        if let Some((status, code)) = says.error {
            return (status, Json(json!({ "error": code })));
        }
    }
    let header = Header { kid: Some("0".into()), ..Header::new(Algorithm::ES256) };
    let id_token = jsonwebtoken::encode(&header, &says.claims, &key()).unwrap();
    let mut answer = json!({ "id_token": id_token, "access_token": "a", "token_type": "Bearer" });
    if says.refreshes {
        answer["refresh_token"] = format!("r{}", says.asked.len()).into();
    }
    (StatusCode::OK, Json(answer))
}

struct Company {
    world: World,
    issuer: String,
    says: Shared,
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
        let says = Shared::default();
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(|| async { Json(discovery) }))
            .route("/keys", get(|| async { Json(keys) }))
            .route("/token", post(token))
            .with_state(Arc::clone(&says));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let oidc = format!(
            "[identity.oidc]\nissuer = \"{issuer}\"\nclient_id = \"milestoned\"\n\
             groups = {{ finance = [\"view\", \"approve\"] }}\n[mail]"
        );
        let world = World::configured("2026-03-02T09:00:00Z", vec![("[mail]".to_owned(), oidc)]).await.unwrap();
        Self { world, issuer, says }
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
        let mut says = says;
        says["nonce"] = says.get("nonce").cloned().unwrap_or_else(|| begun.nonce.clone().into());
        self.says(says);
        self.end(&begun, &[]).await
    }

    /// From now on the provider says this of somebody, beside what is right.
    fn says(&self, says: Value) {
        let second = self.world.app.env.clock.now().as_second();
        let mut claims = json!({ "iss": self.issuer, "aud": "milestoned", "exp": second + 300, "iat": second,
            "sub": "17", "email": "dana@vendor.example", "email_verified": true, "groups": ["finance"] });
        for (name, value) in says.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.says.lock().unwrap().claims = claims;
    }

    /// Time passes; what somebody who is signed in gets to see then.
    async fn later(&self, cookie: &str, minutes: i64, says: Value) -> u16 {
        self.world.later(SignedDuration::from_mins(minutes));
        self.says(says);
        self.page(cookie, "/queue").await.0
    }

    fn asked(&self) -> Vec<String> {
        self.says.lock().unwrap().asked.clone()
    }

    /// The newest line of the audit trail.
    async fn told(&self) -> String {
        let line = self.world.app.env.store.audit(None, 1).await.unwrap().remove(0);
        format!("{} {}: {}", line.actor, line.action, line.detail)
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
        (json!({ "email": "cfo@vendor.example", "email_verified": null, "sub": "18" }), "is verified"),
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

#[tokio::test]
async fn who_changes_groups_or_is_blocked_at_the_provider_loses_rights_and_session_within_a_quarter_of_an_hour() {
    let company = Company::open().await;
    company.says.lock().unwrap().refreshes = true;
    let cookie = company.sign_in(json!({})).await.unwrap();
    assert_eq!(company.later(&cookie, 14, json!({ "groups": [] })).await, 200);
    assert!(company.asked().is_empty(), "not more often than need be");
    assert_eq!(company.later(&cookie, 1, json!({ "groups": [] })).await, 403, "nobody of that group may look");
    assert_eq!(
        company.told().await,
        "milestoned session rights changed: of dana@vendor.example: none instead of view, approve"
    );
    assert_eq!(company.later(&cookie, 15, json!({})).await, 200);
    let all_at_once = (0..8).map(|_| company.page(&cookie, "/queue"));
    company.world.later(SignedDuration::from_mins(15));
    company.says(json!({}));
    assert!(futures_util::future::join_all(all_at_once).await.iter().all(|(status, _)| *status == 200));
    assert_eq!(company.asked(), ["r0", "r1", "r2"], "each is used once, also by those who come at once");
    company.says.lock().unwrap().error = Some((StatusCode::BAD_REQUEST, "invalid_grant"));
    assert_eq!(company.later(&cookie, 15, json!({})).await, 303);
    assert_eq!(company.told().await, "milestoned session ended: the identity provider vouches for them no more");
    company.says.lock().unwrap().error = None;
    assert_eq!(company.page(&cookie, "/queue").await.0, 303, "for good");
}

#[tokio::test]
async fn an_answer_about_somebody_else_or_not_for_us_ends_the_session() {
    let company = Company::open().await;
    company.says.lock().unwrap().refreshes = true;
    for says in [
        json!({ "sub": "18" }),
        json!({ "aud": "wiki" }),
        json!({ "iss": "https://evil.example" }),
        json!({ "exp": 1 }),
    ] {
        let cookie = company.sign_in(json!({})).await.unwrap();
        assert_eq!(company.later(&cookie, 15, says.clone()).await, 303, "{says}");
    }
}

#[tokio::test]
async fn where_the_provider_cannot_be_asked_again_a_session_ends_after_an_hour() {
    let company = Company::open().await;
    for (refreshes, error) in [
        (false, None),
        (true, Some((StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"))),
        (true, Some((StatusCode::UNAUTHORIZED, "invalid_client"))),
    ] {
        {
            let mut says = company.says.lock().unwrap();
            (says.refreshes, says.error) = (refreshes, error);
            says.asked.clear();
        }
        let cookie = company.sign_in(json!({})).await.unwrap();
        for minutes in [20, 20, 19] {
            assert_eq!(company.later(&cookie, minutes, json!({})).await, 200, "{error:?}");
            assert_eq!(company.page(&cookie, "/queue").await.0, 200);
        }
        assert_eq!(company.asked().len(), if refreshes { 3 } else { 0 }, "once a minute at most");
        assert_eq!(company.later(&cookie, 1, json!({})).await, 303, "{error:?}");
        assert_eq!(
            company.told().await,
            "milestoned session ended: what the identity provider had said counts no more"
        );
    }
}
