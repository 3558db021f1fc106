//! Sign-in by an OpenID provider: authorisation code with PKCE (RFC 7636), state and nonce. The provider is discovered, its
//! keys are fetched and fetched anew when one is unknown; an ID token is taken only if the provider signed it for us, for
//! this sign-in, and its time has not passed. While somebody is signed in, the provider is asked again with the refresh token
//! that it gave: whether it still vouches for them, and what their groups are now.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use milestoned_identity::begun::Begun;
use milestoned_identity::rights::Rights;
use milestoned_identity::secret;

/// Signatures that are taken: those with public keys. `none` and shared secrets are not among them.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Codes by which a provider says that it vouches for somebody no more: the account is closed or blocked, the consent or the session
/// has ended, or the token was used by somebody else. Other codes are about us, or about the provider itself.
const WITHDRAWN: [&str; 5] =
    ["invalid_grant", "access_denied", "interaction_required", "login_required", "consent_required"];
/// How far two clocks may be apart.
const LEEWAY: i64 = 60;
/// How long an answer of the provider may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer of the provider that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// Keys are fetched anew for an unknown one, but not more often than this.
const KEYS_AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// What was discovered is asked again after this.
const DISCOVERED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How long somebody may take to sign in.
pub const SIGN_IN_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// `[identity.oidc]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The provider's address, as it stands in its tokens.
    pub issuer: Url,
    /// Our name there.
    pub client_id: String,
    /// Our secret there; absent: a public client, which PKCE alone protects.
    #[serde(default)]
    pub client_secret: Option<SecretString>,
    /// What is asked for; `openid` always is.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The claim that names the person in the audit trail.
    #[serde(default = "person_claim")]
    pub person_claim: String,
    /// The claim that lists groups.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// What members of a group may do.
    #[serde(default)]
    pub groups: BTreeMap<String, Rights>,
    /// How often the provider is asked again about somebody who is signed in, where it gave a refresh token.
    #[serde(default = "ask_again_every")]
    pub ask_again_every: SignedDuration,
    /// How long what the provider said counts where it cannot be asked again: it gave no refresh token, or does not answer.
    #[serde(default = "counts_for")]
    pub counts_for: SignedDuration,
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).into()
}

fn person_claim() -> String {
    "email".into()
}

fn groups_claim() -> String {
    "groups".into()
}

fn ask_again_every() -> SignedDuration {
    SignedDuration::from_mins(15)
}

fn counts_for() -> SignedDuration {
    SignedDuration::from_hours(1)
}

/// Why somebody could not be signed in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider did not answer, or not as it should.
    #[error("the identity provider's {endpoint} does not answer as it should: {reason}")]
    Provider {
        /// Which of its addresses.
        endpoint: &'static str,
        /// What happened.
        reason: String,
        /// The error code of its answer (RFC 6749, section 5.2); empty: it gave none.
        code: String,
    },
    /// The answer is not for the sign-in that was begun, or not trustworthy.
    #[error("the identity provider's answer is not taken: {0}")]
    Refused(String),
}

fn provider(endpoint: &'static str, reason: impl std::fmt::Display) -> OidcError {
    OidcError::Provider { endpoint, reason: reason.to_string(), code: String::new() }
}

fn refused(reason: impl Into<String>) -> OidcError {
    OidcError::Refused(reason.into())
}

/// What the provider says about itself, as far as it is used.
#[derive(Debug, Clone, Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    #[serde(default)]
    userinfo_endpoint: Option<Url>,
    #[serde(default)]
    end_session_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    grant_types_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The parameters with which the browser comes back.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Returned {
    /// The code that is exchanged for tokens.
    #[serde(default)]
    pub code: Option<String>,
    /// What ties it to the browser.
    #[serde(default)]
    pub state: Option<String>,
    /// Who answered (RFC 9207).
    #[serde(default)]
    pub iss: Option<String>,
    /// Why there is no code.
    #[serde(default)]
    pub error: Option<String>,
    /// The same in words.
    #[serde(default)]
    pub error_description: Option<String>,
}

/// Somebody whom the provider vouches for.
#[derive(Debug, Clone)]
pub struct Identified {
    /// The name for the audit trail.
    pub person: String,
    /// The provider's own id of them, which never passes to somebody else.
    pub subject: String,
    /// What their groups give.
    pub rights: Rights,
    /// When they last showed who they are.
    pub authenticated_at: Timestamp,
    /// What the provider is asked again with; `None`: it gave nothing for that.
    pub refresh_token: Option<SecretString>,
}

/// What the provider says when it is asked again about somebody.
#[derive(Debug, Clone)]
pub struct Confirmed {
    /// What their groups give now.
    pub rights: Rights,
    /// What it is asked with the next time: it may take each refresh token once.
    pub refresh_token: SecretString,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    id_token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    refresh_token: Option<SecretString>,
}

#[derive(Default)]
struct Cache {
    discovered: Option<(Discovered, Timestamp)>,
    keys: Option<(JwkSet, Timestamp)>,
}

/// An OpenID provider, and what is known of it.
pub struct Provider {
    settings: Settings,
    /// Where the browser comes back to.
    redirect_uri: String,
    http: reqwest::Client,
    cache: Mutex<Cache>,
}

impl Provider {
    /// A provider whose answers come back to `{public_url}/sign-in/callback`. Nothing is asked yet.
    ///
    /// # Errors
    /// The provider's address is plain http elsewhere than on this machine, or the HTTP client cannot be made.
    pub fn new(settings: Settings, public_url: &str) -> Result<Self, OidcError> {
        trusted("issuer", &settings.issuer)?;
        let http = reqwest::Client::builder().redirect(Policy::none()).timeout(TIMEOUT).build();
        let http = http.map_err(|error| provider("client", error))?;
        let redirect_uri = format!("{}/sign-in/callback", public_url.trim_end_matches('/'));
        Ok(Self { settings, redirect_uri, http, cache: Mutex::default() })
    }

    /// The provider's address, as it stands in its tokens.
    pub fn issuer(&self) -> &str {
        self.settings.issuer.as_str()
    }

    /// How often the provider is asked again about somebody, and how long its answer counts.
    pub fn lasts(&self) -> (SignedDuration, SignedDuration) {
        (self.settings.ask_again_every, self.settings.counts_for)
    }

    /// Whether the provider says that it gives refresh tokens. One that says nothing of it may give them all the same.
    ///
    /// # Errors
    /// The provider cannot be discovered.
    pub async fn may_give_refresh_tokens(&self, now: Timestamp) -> Result<bool, OidcError> {
        let granted = self.discovered(now).await?.grant_types_supported;
        Ok(granted.is_none_or(|granted| granted.iter().any(|grant| grant == "refresh_token")))
    }

    /// Where the browser is sent to sign in. `again`: the person has to show anew who they are.
    ///
    /// # Errors
    /// The provider cannot be discovered.
    pub async fn address(&self, begun: &Begun, again: bool, now: Timestamp) -> Result<Url, OidcError> {
        let mut address = self.discovered(now).await?.authorization_endpoint;
        let mut scopes = vec!["openid"];
        scopes.extend(self.settings.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid"));
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &begun.state)
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &secret::challenge(&begun.verifier))
            .append_pair("code_challenge_method", "S256");
        // OpenID Connect Core, section 11: without the prompt this scope is ignored.
        let offline = scopes.contains(&"offline_access");
        let prompts = [(again, "login"), (offline, "consent")].into_iter().filter(|(wanted, _)| *wanted);
        let prompts: Vec<&str> = prompts.map(|(_, prompt)| prompt).collect();
        if !prompts.is_empty() {
            address.query_pairs_mut().append_pair("prompt", &prompts.join(" "));
        }
        if again {
            address.query_pairs_mut().append_pair("max_age", "0");
        }
        Ok(address)
    }

    /// Ends a sign-in that was begun: who it is.
    ///
    /// # Errors
    /// The person did not sign in, the answer is not for this sign-in, or the provider does not answer.
    pub async fn complete(&self, begun: &Begun, returned: Returned, now: Timestamp) -> Result<Identified, OidcError> {
        if returned.state.as_deref().is_none_or(|state| !secret::same(state, &begun.state)) {
            return Err(refused("its state is not that of a sign-in that was begun here"));
        }
        let discovered = self.discovered(now).await?;
        let other_issuer = match &returned.iss {
            Some(issuer) => *issuer != discovered.issuer,
            None => discovered.authorization_response_iss_parameter_supported,
        };
        if other_issuer {
            return Err(refused("it comes from another provider"));
        }
        if let Some(error) = returned.error {
            let described = returned.error_description.map(|text| format!(": {text}")).unwrap_or_default();
            return Err(refused(format!("{error}{described}").chars().take(200).collect::<String>()));
        }
        let code = returned.code.ok_or_else(|| refused("it has no code"))?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &begun.verifier),
        ];
        let tokens = self.tokens(&discovered, &form).await?;
        let id_token = tokens.id_token.as_deref().ok_or_else(|| refused("it has no ID token"))?;
        let claims = self.claims(&discovered, id_token, Some(&begun.nonce), now).await?;
        let more = self.user_info(&discovered, tokens.access_token.as_deref(), &claims).await?;
        Ok(Identified { refresh_token: tokens.refresh_token, ..self.identified(&claims, &more)? })
    }

    /// Asks the provider again about somebody who is signed in, by the refresh token that it gave.
    ///
    /// # Errors
    /// [`OidcError::Refused`]: the provider vouches for them no more, or answers about somebody else. Otherwise it does not answer,
    /// which says nothing about them.
    pub async fn ask_again(
        &self,
        subject: &str,
        refresh_token: SecretString,
        now: Timestamp,
    ) -> Result<Confirmed, OidcError> {
        let discovered = self.discovered(now).await?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
        let tokens = self.tokens(&discovered, &form).await.map_err(|error| match error {
            OidcError::Provider { code, .. } if WITHDRAWN.contains(&code.as_str()) => {
                refused(format!("it vouches for {subject:?} no more ({code})"))
            }
            other => other,
        })?;
        // OpenID Connect Core, section 12.2: there may be no ID token, and one that is there has no nonce of a sign-in.
        let claims = match &tokens.id_token {
            Some(id_token) => self.claims(&discovered, id_token, None, now).await?,
            None if discovered.userinfo_endpoint.is_some() => json!({ "sub": subject }),
            None => return Err(refused("it has neither an ID token nor userinfo")),
        };
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(refused("it is about somebody else"));
        }
        let more = self.user_info(&discovered, tokens.access_token.as_deref(), &claims).await?;
        let refresh_token = tokens.refresh_token.unwrap_or(refresh_token);
        Ok(Confirmed { rights: self.rights(&claims, &more), refresh_token })
    }

    /// Where the browser is sent to sign out at the provider too, if the provider has such a place.
    ///
    /// # Errors
    /// The provider cannot be discovered.
    pub async fn end_session(&self, public_url: &str, now: Timestamp) -> Result<Option<Url>, OidcError> {
        let address = self.discovered(now).await?.end_session_endpoint;
        Ok(address.map(|mut address| {
            address
                .query_pairs_mut()
                .append_pair("client_id", &self.settings.client_id)
                .append_pair("post_logout_redirect_uri", public_url);
            address
        }))
    }

    async fn discovered(&self, now: Timestamp) -> Result<Discovered, OidcError> {
        let mut cache = self.cache.lock().await;
        if let Some((discovered, _)) =
            cache.discovered.as_ref().filter(|(_, at)| now.duration_since(*at).abs() < DISCOVERED_FOR)
        {
            return Ok(discovered.clone());
        }
        let issuer = self.settings.issuer.as_str();
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let discovered: Discovered = self.read("discovery", self.http.get(address)).await?;
        if discovered.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
            let reason = format!("it calls itself {:?}, and the configuration {issuer:?}", discovered.issuer);
            return Err(provider("discovery", reason));
        }
        for (endpoint, address) in [
            ("authorization_endpoint", &discovered.authorization_endpoint),
            ("token_endpoint", &discovered.token_endpoint),
            ("jwks_uri", &discovered.jwks_uri),
        ] {
            trusted(endpoint, address)?;
        }
        cache.discovered = Some((discovered.clone(), now));
        Ok(discovered)
    }

    /// The key of this id. An unknown one has the keys fetched anew: the provider may have exchanged them.
    async fn key(&self, discovered: &Discovered, id: Option<&str>, now: Timestamp) -> Result<DecodingKey, OidcError> {
        let mut cache = self.cache.lock().await;
        let found = |keys: &JwkSet| match id {
            Some(id) => keys.find(id).cloned(),
            None if keys.keys.len() == 1 => keys.keys.first().cloned(),
            None => None,
        };
        let mut key = cache.keys.as_ref().and_then(|(keys, _)| found(keys));
        let fetched = cache.keys.as_ref().map(|(_, at)| *at);
        if key.is_none() && fetched.is_none_or(|at| now.duration_since(at).abs() >= KEYS_AT_MOST_EVERY) {
            let keys: Keys = self.read("jwks_uri", self.http.get(discovered.jwks_uri.clone())).await?;
            let keys = keys.understood();
            key = found(&keys);
            cache.keys = Some((keys, now));
        }
        let key = key.ok_or_else(|| refused("its ID token is signed with a key that the provider does not publish"))?;
        DecodingKey::from_jwk(&key).map_err(|error| provider("jwks_uri", error))
    }

    /// What the token endpoint gives for a code or a refresh token.
    async fn tokens(&self, discovered: &Discovered, asked: &[(&str, &str)]) -> Result<Tokens, OidcError> {
        let mut form = asked.to_vec();
        let mut request = self.http.post(discovered.token_endpoint.clone());
        let id = self.settings.client_id.as_str();
        let methods = &discovered.token_endpoint_auth_methods_supported;
        let by_form = methods.iter().any(|method| method == "client_secret_post")
            && !methods.iter().any(|method| method == "client_secret_basic");
        match &self.settings.client_secret {
            // RFC 6749, section 2.3.1: both are form-encoded before they become a header.
            Some(secret) if !by_form => {
                let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                request = request.basic_auth(encoded(id), Some(encoded(secret.expose_secret())));
            }
            Some(secret) => form.extend([("client_id", id), ("client_secret", secret.expose_secret())]),
            None => form.push(("client_id", id)),
        }
        self.read("token_endpoint", request.form(&form)).await
    }

    /// What the ID token says, if it may be believed.
    async fn claims(
        &self,
        discovered: &Discovered,
        token: &str,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<Value, OidcError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| refused(format!("its ID token: {error}")))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused(format!("its ID token is signed by {:?}", header.alg)));
        }
        let key = self.key(discovered, header.kid.as_deref(), now).await?;
        let mut rules = Validation::new(header.alg);
        // Time is an argument here: it is judged below.
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[&discovered.issuer]);
        rules.set_audience(&[&self.settings.client_id]);
        let claims = jsonwebtoken::decode::<Value>(token, &key, &rules);
        let claims = claims.map_err(|error| refused(format!("its ID token: {error}")))?.claims;
        let second = |name: &str| claims.get(name).and_then(Value::as_i64);
        let now = now.as_second();
        if second("exp").is_none_or(|end| end.saturating_add(LEEWAY) <= now) {
            return Err(refused("its ID token has passed its time; see that both clocks are right"));
        }
        if ["iat", "nbf"].iter().filter_map(|name| second(name)).any(|from| from > now.saturating_add(LEEWAY)) {
            return Err(refused("its ID token is from the future; see that both clocks are right"));
        }
        let said = claims.get("nonce").and_then(Value::as_str);
        if nonce.is_some_and(|nonce| said.is_none_or(|said| !secret::same(said, nonce))) {
            return Err(refused("its ID token is for another sign-in"));
        }
        let several = claims.get("aud").and_then(Value::as_array).is_some_and(|audience| audience.len() > 1);
        let party = claims.get("azp").and_then(Value::as_str);
        if party.map_or(several, |party| party != self.settings.client_id) {
            return Err(refused("its ID token is for another program"));
        }
        Ok(claims)
    }

    /// What the provider tells apart from the ID token, where that lacks the person's name or groups.
    async fn user_info(
        &self,
        discovered: &Discovered,
        access_token: Option<&str>,
        claims: &Value,
    ) -> Result<Value, OidcError> {
        let complete = [&self.settings.person_claim, &self.settings.groups_claim]
            .iter()
            .all(|claim| claims.get(claim.as_str()).is_some());
        let (Some(address), Some(token), false) = (&discovered.userinfo_endpoint, access_token, complete) else {
            return Ok(Value::Null);
        };
        trusted("userinfo_endpoint", address)?;
        let info: Value = self.read("userinfo_endpoint", self.http.get(address.clone()).bearer_auth(token)).await?;
        // OpenID Connect Core, section 5.3.2: an answer about somebody else must not be used.
        if info.get("sub") != claims.get("sub") {
            return Err(refused("its userinfo is about somebody else"));
        }
        Ok(info)
    }

    fn identified(&self, claims: &Value, more: &Value) -> Result<Identified, OidcError> {
        let claim = |name: &str| claims.get(name).or_else(|| more.get(name));
        let text = |name: &str| claim(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let named = &self.settings.person_claim;
        let person = text(named).ok_or_else(|| refused(format!("it does not tell the claim {named:?}")))?;
        // An address that nobody has verified may be anybody's: whoever enters it in their own account would be that person here.
        if named == "email" && claim("email_verified") != Some(&Value::Bool(true)) {
            return Err(refused(format!(
                "it does not say that the address {person} is verified: have the claim email_verified told, or name another claim \
                 than email as identity.oidc.person_claim"
            )));
        }
        let authenticated = claim("auth_time").and_then(Value::as_i64).or_else(|| claim("iat").and_then(Value::as_i64));
        Ok(Identified {
            person: person.to_owned(),
            subject: text("sub").unwrap_or_default().to_owned(),
            rights: self.rights(claims, more),
            authenticated_at: authenticated
                .and_then(|second| Timestamp::from_second(second).ok())
                .unwrap_or(Timestamp::UNIX_EPOCH),
            refresh_token: None,
        })
    }

    /// What the groups give that are told.
    fn rights(&self, claims: &Value, more: &Value) -> Rights {
        let named = self.settings.groups_claim.as_str();
        let groups: Vec<&str> = match claims.get(named).or_else(|| more.get(named)) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(group)) => vec![group],
            _ => Vec::new(),
        };
        let rights = groups.iter().filter_map(|group| self.settings.groups.get(*group));
        rights.fold(Rights::default(), |all, rights| all.and(*rights))
    }

    /// Reads a JSON answer. Texts of the provider are not repeated: they could carry what we sent.
    async fn read<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, OidcError> {
        let sent = request.header("Accept", "application/json").send().await;
        let mut answer = sent.map_err(|error| provider(endpoint, error.without_url()))?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| provider(endpoint, error.without_url()))? {
            if body.len().saturating_add(chunk.len()) > LONGEST {
                return Err(provider(endpoint, "its answer is longer than a megabyte"));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            #[derive(Deserialize)]
            struct Said {
                error: String,
            }
            let code = serde_json::from_slice::<Said>(&body).map(|said| said.error).unwrap_or_default();
            let code: String = code.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').take(40).collect();
            let reason = format!("status {} {code}", status.as_u16()).trim_end().to_owned();
            return Err(OidcError::Provider { endpoint, reason, code });
        }
        serde_json::from_slice(&body).map_err(|error| provider(endpoint, error))
    }
}

/// Keys as they are published. One of a kind that is not known here does not spoil the others.
#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

impl Keys {
    fn understood(self) -> JwkSet {
        let of_signatures = |key: &Value| key.get("use").and_then(Value::as_str).is_none_or(|usage| usage == "sig");
        let keys = self.keys.into_iter().filter(of_signatures);
        JwkSet { keys: keys.filter_map(|key| serde_json::from_value(key).ok()).collect() }
    }
}

/// Secrets and tokens go over https alone, but for this machine itself.
fn trusted(endpoint: &'static str, address: &Url) -> Result<(), OidcError> {
    let here = match address.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if address.scheme() == "https" || (address.scheme() == "http" && here) {
        Ok(())
    } else {
        Err(provider(endpoint, format!("{address} is not https")))
    }
}
