//! What a provider could be made to say, and what is refused: each answer here differs in one thing from a good one.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use milestoned_identity::begun::Begun;
use milestoned_identity::rights::Right;
use milestoned_oidc::{Identified, Provider, Returned, Settings};
use serde_json::{Value, json};

const KEYS: [&str; 2] = [include_str!("provider/first.pem"), include_str!("provider/second.pem")];

/// What the provider says next.
#[derive(Clone)]
struct Says {
    issuer: String,
    /// Which keys it publishes, and with which one it signs.
    published: Vec<usize>,
    signs: usize,
    algorithm: Option<Algorithm>,
    claims: Value,
    keys_asked: usize,
}

type Shared = Arc<Mutex<Says>>;

fn key(index: usize) -> EncodingKey {
    EncodingKey::from_ec_pem(KEYS[index].as_bytes()).unwrap()
}

async fn discovery(State(says): State<Shared>) -> Json<Value> {
    let issuer = says.lock().unwrap().issuer.clone();
    let at = |path: &str| format!("{issuer}{path}");
    Json(json!({ "issuer": issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
        "jwks_uri": at("/keys"), "userinfo_endpoint": at("/me") }))
}

async fn keys(State(says): State<Shared>) -> Json<Value> {
    let mut says = says.lock().unwrap();
    says.keys_asked += 1;
    let published = says.published.iter().map(|index| {
        let mut jwk = Jwk::from_encoding_key(&key(*index), Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(index.to_string());
        serde_json::to_value(jwk).unwrap()
    });
    let unknown = json!({ "kty": "of tomorrow", "kid": "9" });
    Json(json!({ "keys": std::iter::once(unknown).chain(published).collect::<Vec<_>>() }))
}

async fn token(State(says): State<Shared>) -> Json<Value> {
    let says = says.lock().unwrap();
    let header = |algorithm| Header { kid: Some(says.signs.to_string()), ..Header::new(algorithm) };
    let id_token = match says.algorithm {
        Some(Algorithm::ES256) => jsonwebtoken::encode(&header(Algorithm::ES256), &says.claims, &key(says.signs)),
        Some(other) => {
            // The provider's public key as if it were a shared secret: the oldest trick.
            jsonwebtoken::encode(&header(other), &says.claims, &EncodingKey::from_secret(KEYS[0].as_bytes()))
        }
        None => Ok(unsigned(&says.claims)),
    };
    Json(json!({ "id_token": id_token.unwrap(), "access_token": "a", "token_type": "Bearer" }))
}

fn unsigned(claims: &Value) -> String {
    use base64::Engine as _;
    let part = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({ "alg": "none", "kid": "0" })), part(claims))
}

struct World {
    says: Shared,
    provider: Provider,
    begun: Begun,
    now: Timestamp,
}

async fn world() -> World {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let says: Shared = Arc::new(Mutex::new(Says {
        issuer: issuer.clone(),
        published: vec![0],
        signs: 0,
        algorithm: Some(Algorithm::ES256),
        claims: Value::Null,
        keys_asked: 0,
    }));
    let user = || async { Json(json!({ "sub": "17", "email": "dana@customer.example", "groups": ["finance"] })) };
    let routes = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/keys", get(keys))
        .route("/token", post(token))
        .route("/me", get(user))
        .with_state(says.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let settings: Settings = serde_json::from_value(json!({ "issuer": issuer, "client_id": "milestoned",
        "groups": { "finance": ["view", "approve"] } }))
    .unwrap();
    let provider = Provider::new(settings, "http://127.0.0.1:8080").unwrap();
    let now: Timestamp = "2026-11-30T09:00:00Z".parse().unwrap();
    let begun = Begun::fresh("/queue", &mut rand::rng());
    let world = World { says, provider, begun, now };
    world.says.lock().unwrap().claims = world.good();
    world
}

impl World {
    fn good(&self) -> Value {
        let issuer = self.says.lock().unwrap().issuer.clone();
        let second = self.now.as_second();
        json!({ "iss": issuer, "aud": "milestoned", "sub": "17", "exp": second + 300, "iat": second, "auth_time": second - 5,
            "nonce": self.begun.nonce, "email": "dana@customer.example", "email_verified": true, "groups": ["finance", "x"] })
    }

    fn returned(&self) -> Returned {
        Returned { code: Some("c".into()), state: Some(self.begun.state.clone()), ..Returned::default() }
    }

    async fn completes(&self, returned: Returned) -> Result<Identified, String> {
        self.provider.complete(&self.begun, returned, self.now).await.map_err(|error| error.to_string())
    }

    /// The answer, with one claim changed.
    async fn with_claim(&self, name: &str, value: Value) -> Result<Identified, String> {
        let mut claims = self.good();
        claims[name] = value;
        self.says.lock().unwrap().claims = claims;
        self.completes(self.returned()).await
    }
}

#[tokio::test]
async fn a_good_answer_says_who_it_is_and_what_their_groups_give() {
    let world = world().await;
    let identified = world.completes(world.returned()).await.unwrap();
    assert_eq!(identified.person, "dana@customer.example");
    assert!(identified.rights.has(Right::Approve) && !identified.rights.has(Right::FileTerms));
    assert_eq!(identified.authenticated_at, world.now - SignedDuration::from_secs(5));
}

#[tokio::test]
async fn a_token_that_differs_in_one_claim_is_refused() {
    let world = world().await;
    let second = world.now.as_second();
    for (claim, value, reason) in [
        ("nonce", json!("another"), "another sign-in"),
        ("nonce", Value::Null, "another sign-in"),
        ("aud", json!("wiki"), "InvalidAudience"),
        ("aud", json!(["milestoned", "wiki"]), "another program"),
        ("azp", json!("wiki"), "another program"),
        ("iss", json!("https://evil.example"), "InvalidIssuer"),
        ("exp", json!(second - 61), "passed its time"),
        ("iat", json!(second + 120), "from the future"),
        ("email_verified", json!(false), "is verified"),
        ("email_verified", json!("true"), "is verified"),
        ("email_verified", Value::Null, "is verified"),
        ("email", json!(" "), "claim \"email\""),
    ] {
        let error = world.with_claim(claim, value.clone()).await.expect_err(&format!("{claim} {value}"));
        assert!(error.contains(reason), "{claim} {value}: {error}");
    }
}

#[tokio::test]
async fn a_token_that_the_provider_did_not_sign_is_refused() {
    let world = world().await;
    for algorithm in [None, Some(Algorithm::HS256)] {
        world.says.lock().unwrap().algorithm = algorithm;
        world.completes(world.returned()).await.expect_err("not by the provider's key");
    }
    world.says.lock().unwrap().algorithm = Some(Algorithm::ES256);
    world.says.lock().unwrap().signs = 1;
    let error = world.completes(world.returned()).await.expect_err("a key that is not published");
    assert!(error.contains("does not publish"), "{error}");
}

#[tokio::test]
async fn keys_that_were_exchanged_are_fetched_anew_but_not_for_every_guess() {
    let mut world = world().await;
    world.completes(world.returned()).await.unwrap();
    {
        let mut says = world.says.lock().unwrap();
        (says.published, says.signs) = (vec![1], 1);
    }
    world.now += SignedDuration::from_secs(61);
    world.completes(world.returned()).await.unwrap();
    assert_eq!(world.says.lock().unwrap().keys_asked, 2);
    world.says.lock().unwrap().signs = 0;
    for _ in 0..20 {
        world.completes(world.returned()).await.expect_err("signed with a key that is gone");
    }
    assert_eq!(world.says.lock().unwrap().keys_asked, 2);
}

#[tokio::test]
async fn an_answer_that_is_not_for_this_browser_is_refused() {
    let world = world().await;
    let returned = world.returned();
    for (returned, reason) in [
        (Returned { state: Some("other".into()), ..returned.clone() }, "state"),
        (Returned { state: None, ..returned.clone() }, "state"),
        (Returned { iss: Some("https://evil.example".into()), ..returned.clone() }, "another provider"),
        (Returned { code: None, error: Some("access_denied".into()), ..returned.clone() }, "access_denied"),
        (Returned { code: None, ..returned.clone() }, "no code"),
    ] {
        let error = world.completes(returned).await.expect_err(reason);
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn userinfo_of_somebody_else_is_refused() {
    let world = world().await;
    let mut claims = world.good();
    claims.as_object_mut().unwrap().remove("groups");
    world.says.lock().unwrap().claims = claims.clone();
    assert!(world.completes(world.returned()).await.unwrap().rights.has(Right::Approve), "groups of userinfo");
    claims["sub"] = json!("18");
    world.says.lock().unwrap().claims = claims;
    let error = world.completes(world.returned()).await.expect_err("sub differs");
    assert!(error.contains("somebody else"), "{error}");
}

#[tokio::test]
async fn secrets_go_over_https_and_the_provider_is_who_it_says() {
    let settings = |issuer: &str| -> Settings {
        serde_json::from_value(json!({ "issuer": issuer, "client_id": "milestoned" })).unwrap()
    };
    assert!(Provider::new(settings("http://id.example"), "http://127.0.0.1:8080").is_err());
    let world = world().await;
    let issuer = world.says.lock().unwrap().issuer.clone();
    world.says.lock().unwrap().issuer = "https://evil.example".into();
    let provider = Provider::new(settings(&issuer), "http://127.0.0.1:8080").unwrap();
    let error = provider.address(&world.begun, false, world.now).await.expect_err("calls itself another");
    assert!(error.to_string().contains("calls itself"), "{error}");
}
