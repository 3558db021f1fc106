//! NetSuite: which assertions and which signatures are accepted.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature as sign;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use milestoned_mocks::Simulators;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use world::erp::{account, code};
use world::{answer, start};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBijCCAS+gAwIBAgIUMmJVjfGhrnLvrb+hfvO47zRsJT4wCgYIKoZIzj0EAwIw\n\
    GjEYMBYGA1UEAwwPbWlsZXN0b25lZCB0ZXN0MB4XDTI2MTEyNjE5NTgwMFoXDTI4\n\
    MTAyNjE5NTgwMFowGjEYMBYGA1UEAwwPbWlsZXN0b25lZCB0ZXN0MFkwEwYHKoZI\n\
    zj0CAQYIKoZIzj0DAQcDQgAEW22KXBXbsj1GnyIpLquLlRSaju3TJwFUEPFAehhi\n\
    4VQFDohtsMt/dxJ5lsgdiNmX8AWAkv8fzTtLQxg1TZfNbKNTMFEwHQYDVR0OBBYE\n\
    FFpwbBsIZNQRH+XUOvDy1HQqxmjgMB8GA1UdIwQYMBaAFFpwbBsIZNQRH+XUOvDy\n\
    1HQqxmjgMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAPnDZPlP\n\
    lFtvtFX3K/0087NSKNu2N7OqI6pO8Udyr7hcAiEA7N3eg+jWwccUEtyEthEJb5HO\n\
    NAEu+8Cy0SaWiJ8tan8=\n\
    -----END CERTIFICATE-----\n";
const CERTIFIED_KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFOba/EpvYYKE/N6B5/7SeCiAky27JfjiQIigxhx3bVehRANCAARbbYpcFduyPUafIikuq4uVFJqO7dMnAVQQ8UB6GGLhVAUOiG2wy393EnmWyB2I2ZfwBYCS/x/NO0tDGDVNl81s";

type Signer<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

fn jwt(header: &Value, claims: &Value, signer: Signer<'_>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(signer(signed.as_bytes()));
    format!("{signed}.{signature}")
}

async fn ask(world: &Simulators, assertion: &str) -> u16 {
    let url = format!("{}/services/rest/auth/oauth2/v1/token", world.url("netsuite"));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    answer(Client::new().post(url).form(&form)).await.0
}

fn claims(world: &Simulators) -> Value {
    let (now, url) =
        (world.clock.now().as_second(), format!("{}/services/rest/auth/oauth2/v1/token", world.url("netsuite")));
    json!({"iss": "mine", "scope": ["rest_webservices"], "aud": url, "iat": now, "exp": now + 3600})
}

#[tokio::test]
async fn assertions_are_verified_by_each_algorithm_but_rs256() {
    let world = start(None).await;
    let random = SystemRandom::new();
    let rsa = sign::RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public =
        aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(rsa.public_key()).unwrap();
    assert!(!PublicKeyComponents::<Vec<u8>>::from(rsa.public_key()).n.is_empty());
    world.netsuite.register_key("mine", "rsa", &pem(public.as_ref())).unwrap();
    let by_rsa = |padding: &'static dyn sign::RsaEncoding, message: &[u8]| {
        let mut out = vec![0; rsa.public_modulus_len()];
        rsa.sign(padding, &random, message, &mut out).unwrap();
        out
    };
    let ec = |algorithm: &'static sign::EcdsaSigningAlgorithm| {
        let pair = sign::EcdsaKeyPair::generate(algorithm).unwrap();
        let der =
            aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        (pem(der.as_ref()), pair)
    };
    let (p384, pair384) = ec(&sign::ECDSA_P384_SHA384_FIXED_SIGNING);
    let (p521, pair521) = ec(&sign::ECDSA_P521_SHA512_FIXED_SIGNING);
    world.netsuite.register_key("mine", "p384", &p384).unwrap();
    world.netsuite.register_key("mine", "p521", &p521).unwrap();
    world.netsuite.register_key("mine", "certificate", CERTIFICATE).unwrap();
    let der: Vec<u8> = STANDARD.decode(CERTIFIED_KEY).unwrap();
    let certified = sign::EcdsaKeyPair::from_pkcs8(&sign::ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
    let table: [(&str, &str, Signer<'_>, u16); 8] = [
        ("PS256", "rsa", &|m| by_rsa(&sign::RSA_PSS_SHA256, m), 200),
        ("PS384", "rsa", &|m| by_rsa(&sign::RSA_PSS_SHA384, m), 200),
        ("PS512", "rsa", &|m| by_rsa(&sign::RSA_PSS_SHA512, m), 200),
        ("RS256", "rsa", &|m| by_rsa(&sign::RSA_PKCS1_SHA256, m), 400),
        ("ES256", "certificate", &|m| certified.sign(&random, m).unwrap().as_ref().to_vec(), 200),
        ("ES384", "p384", &|m| pair384.sign(&random, m).unwrap().as_ref().to_vec(), 200),
        ("ES512", "p521", &|m| pair521.sign(&random, m).unwrap().as_ref().to_vec(), 200),
        ("ES512", "p384", &|m| pair521.sign(&random, m).unwrap().as_ref().to_vec(), 400),
    ];
    for (algorithm, kid, signer, status) in table {
        let assertion = jwt(&json!({"alg": algorithm, "typ": "JWT", "kid": kid}), &claims(&world), signer);
        assert_eq!(ask(&world, &assertion).await, status, "{algorithm} with {kid}");
    }
    let signer: Signer<'_> = &|m| pair521.sign(&random, m).unwrap().as_ref().to_vec();
    let now = world.clock.now().as_second();
    for (name, value) in [
        ("aud", json!("https://elsewhere.test/token")),
        ("iss", json!("another")),
        ("exp", json!(now - 1)),
        ("exp", json!(now + 3601)),
        ("iat", json!(now + 3000)),
        ("scope", json!("restlets")),
    ] {
        let mut wrong = claims(&world);
        wrong[name] = value.clone();
        let assertion = jwt(&json!({"alg": "ES512", "typ": "JWT", "kid": "p521"}), &wrong, signer);
        assert_eq!(ask(&world, &assertion).await, 400, "{name} {value}");
    }
    for header in [json!({"alg": "ES512", "typ": "JWT", "kid": "nobody"}), json!({"alg": "ES512", "kid": "p521"})] {
        assert_eq!(ask(&world, &jwt(&header, &claims(&world), signer)).await, 400, "{header}");
    }
    world.stop().await;
}

#[tokio::test]
async fn access_tokens_die_after_an_hour_and_there_is_no_refresh_token() {
    let account = account().await;
    let get = || account.call("GET", "/record/v1/customer/eid:C-1");
    assert_eq!(answer(get()).await.0, 200);
    account.world.clock.set("2026-11-24T13:00:00Z".parse().unwrap());
    let (status, body) = answer(get()).await;
    assert_eq!((status, code(&body), &body["title"]), (401, "INVALID_LOGIN", &json!("Unauthorized")));
    account.world.stop().await;
}

fn percent(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A request signed as RFC 5849 says; `change` spoils a parameter before it is signed.
fn signed(base: &str, method: &str, target: &str, body: &[u8], change: (&str, String)) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let hash = STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, body));
    let mut oauth: Vec<(String, String)> = [
        ("oauth_consumer_key", "ck".to_string()),
        ("oauth_token", "ti".to_string()),
        ("oauth_signature_method", "HMAC-SHA256".to_string()),
        ("oauth_timestamp", "1795521600".to_string()),
        ("oauth_nonce", "nonce-1".to_string()),
        ("oauth_version", "1.0".to_string()),
        ("oauth_body_hash", hash),
    ]
    .map(|(name, value)| (name.to_string(), if name == change.0 { change.1.clone() } else { value }))
    .to_vec();
    let mut all: Vec<(String, String)> = oauth.iter().map(|(name, value)| (percent(name), percent(value))).collect();
    all.extend(query.split('&').filter_map(|pair| pair.split_once('=')).map(|(a, b)| (a.to_string(), b.to_string())));
    all.sort();
    let all: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let text = format!("{method}&{}&{}", percent(&format!("{base}{path}")), percent(&all.join("&")));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"cs&ts").unwrap();
    mac.update(text.as_bytes());
    oauth.push(("oauth_signature".to_string(), STANDARD.encode(mac.finalize().into_bytes())));
    let realm = if change.0 == "realm" { change.1 } else { "TSTDRV123_SB1".to_string() };
    let parts: Vec<String> = oauth.iter().map(|(name, value)| format!("{name}=\"{}\"", percent(value))).collect();
    format!("OAuth realm=\"{realm}\", {}", parts.join(", "))
}

#[tokio::test]
async fn signatures_cover_method_address_query_and_body() {
    let account = account().await;
    account.order("so-1", json!([{"item": {"id": "5"}, "rate": 10}])).await;
    let base = account.world.url("netsuite");
    let now: jiff::Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    assert_eq!(now.as_second(), 1_795_521_600);
    let send = async |method: &str, target: &str, body: &'static str, header: String| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Client::new().request(method, format!("{base}{target}")).header("authorization", header);
        answer(request.header("prefer", "transient").body(body)).await.0
    };
    let (get, sql) = (
        "/services/rest/record/v1/salesOrder/eid:so-1?fields=tranId&limit=1",
        "/services/rest/query/v1/suiteql?offset=0&limit=5",
    );
    let transform = "/services/rest/record/v1/salesOrder/102/!transform/invoice";
    let query = r#"{"q":"SELECT id FROM customer"}"#;
    let nonce = |nonce: &str| ("oauth_nonce", nonce.to_string());
    assert_eq!(send("GET", get, "", signed(base, "GET", get, b"", nonce("first-nonce"))).await, 200);
    assert_eq!(send("POST", sql, query, signed(base, "POST", sql, query.as_bytes(), nonce("second-nonce"))).await, 200);
    assert_eq!(send("POST", transform, "{}", signed(base, "POST", transform, b"{}", nonce("third-nonce"))).await, 204);
    // a nonce is used once
    assert_eq!(send("GET", get, "", signed(base, "GET", get, b"", nonce("first-nonce"))).await, 401);
    let spoiled = [
        ("realm", "tstdrv123-sb1"),
        ("oauth_consumer_key", "other"),
        ("oauth_token", "other"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_nonce", "short"),
        ("oauth_version", "2.0"),
        ("oauth_timestamp", "1795521000"),
        ("oauth_body_hash", "AAAA"),
    ];
    for (name, value) in spoiled {
        let header = signed(base, "GET", get, b"", (name, value.to_string()));
        assert_eq!(send("GET", get, "", header).await, 401, "{name}");
    }
    for (method, target, body) in [("PUT", get, &b""[..]), ("GET", sql, b""), ("GET", get, b"{}")] {
        let header = signed(base, method, target, body, nonce("other-nonce"));
        assert_eq!(send("GET", get, "", header).await, 401, "signed {method} {target}");
    }
    account.world.stop().await;
}
