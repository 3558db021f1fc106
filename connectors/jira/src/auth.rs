//! Who we are to Jira, and which Jira it is.

use jiff::SignedDuration;
use milestoned_connector_kit::http::{Answer, Kind};
use milestoned_connector_kit::token::Token;
use milestoned_connector_kit::{Class, Fault, read};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::settings::Auth;
use super::{Jira, wire};

/// Name of the rotated refresh token in the store.
const REFRESH: &str = "refresh_token";
/// Names the caller of an answered request; absent where nobody is signed in.
const CALLER: &str = "x-aaccountid";

/// Where the API is, and of which kind.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// Address of the API, with its version.
    pub(crate) api: String,
    /// Cloud, not Data Center.
    pub(crate) cloud: bool,
}

impl Jira {
    /// The site, found out once.
    pub(crate) async fn site(&self) -> Result<&Site, Fault> {
        self.site.get_or_try_init(|| self.find_site()).await
    }

    async fn find_site(&self) -> Result<Site, Fault> {
        let cloud = |prefix: &str| Site { api: format!("{prefix}/rest/api/3"), cloud: true };
        match &self.settings.auth {
            Auth::Basic { .. } => Ok(cloud("")),
            Auth::Bearer { token } => {
                let request = self.client.request(Method::GET, "/rest/api/2/serverInfo");
                let answer = self.client.read(request.bearer_auth(token.expose_secret())).await?;
                if !answer.status.is_success() {
                    return Err(self.refused(&answer));
                }
                let info: wire::ServerInfo =
                    read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
                let server = Site { api: "/rest/api/2".into(), cloud: false };
                Ok(if info.deployment == "Cloud" { cloud("") } else { server })
            }
            Auth::Oauth { cloud_id: Some(id), api_url, .. } => Ok(cloud(&format!("{api_url}/ex/jira/{id}"))),
            Auth::Oauth { api_url, .. } => {
                let address = format!("{api_url}/oauth/token/accessible-resources");
                let answer = self.signed(Kind::Read, || self.client.request(Method::GET, &address)).await?;
                if !answer.status.is_success() {
                    return Err(self.refused(&answer));
                }
                let sites: Vec<wire::Resource> =
                    read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
                let own = self.settings.base_url.trim_end_matches('/');
                let site = sites.iter().find(|site| site.url.trim_end_matches('/') == own);
                let site = site.ok_or_else(|| {
                    let sites: Vec<&str> = sites.iter().map(|site| site.url.as_str()).collect();
                    self.dead(format!(
                        "the grant opens {sites:?} and not {own}: connect that site, or correct base_url"
                    ))
                })?;
                Ok(cloud(&format!("{api_url}/ex/jira/{}", site.id)))
            }
        }
    }

    fn dead(&self, said: String) -> Fault {
        self.client.fault(Class::Unauthorised, said, None)
    }

    /// A new access token. The refresh token that comes with it has killed the old one: it is stored before either is
    /// used.
    async fn sign_in(&self) -> Result<Token, Fault> {
        let Auth::Oauth { client_id, client_secret, refresh_token, token_url, .. } = &self.settings.auth else {
            return Err(self.dead("no grant".into()));
        };
        let stored = self.tokens.load(self.client.system(), REFRESH).await.map_err(|said| self.dead(said))?;
        let held = stored.as_deref().unwrap_or_else(|| refresh_token.expose_secret());
        let body = json!({
            "grant_type": "refresh_token", "client_id": client_id, "client_secret": client_secret.expose_secret(),
            "refresh_token": held,
        });
        let ask = || self.client.write(self.client.request(Method::POST, token_url).json(&body));
        let lost = |fault| Fault { class: Class::Unreachable, ..fault };
        let answer = match ask().await {
            // Within ten minutes the old one may be shown once more: the lost answer may have held the new one.
            Err(fault) if fault.class == Class::Unanswered => ask().await.map_err(lost)?,
            other => other.map_err(lost)?,
        };
        if !answer.status.is_success() {
            let said = wire::reason(&answer.body);
            let said = format!("the refresh token is refused ({said}): connect again and set refresh_token");
            return Err(self.client.unsigned(&answer, said));
        }
        let token: wire::TokenAnswer = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let kept = self.tokens.replace(self.client.system(), REFRESH, stored.as_deref(), &token.refresh_token).await;
        kept.map_err(|said| self.dead(said))?;
        let expires_at = self.client.now().checked_add(SignedDuration::from_secs(token.expires_in)).ok();
        Ok(Token { value: SecretString::from(token.access_token), expires_at })
    }

    /// Sends with our credentials. An access token that is refused is renewed once; a refused API token is dead.
    async fn signed(&self, kind: Kind, request: impl Fn() -> RequestBuilder) -> Result<Answer, Fault> {
        let send = |request: RequestBuilder| async {
            if kind == Kind::Write { self.client.write(request).await } else { self.client.read(request).await }
        };
        match &self.settings.auth {
            Auth::Basic { email, api_token } => {
                send(request().basic_auth(email, Some(api_token.expose_secret()))).await
            }
            Auth::Bearer { token } => send(request().bearer_auth(token.expose_secret())).await,
            Auth::Oauth { .. } => {
                let token = self.token.get(self.client.now(), || self.sign_in()).await?;
                let answer = send(request().bearer_auth(token.value.expose_secret())).await?;
                if answer.status != 401 {
                    return Ok(answer);
                }
                self.token.refused(&token).await;
                let token = self.token.get(self.client.now(), || self.sign_in()).await?;
                send(request().bearer_auth(token.value.expose_secret())).await
            }
        }
    }

    /// Asks the site's API.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Fault> {
        self.call(Kind::Read, method, path, body).await
    }

    /// Changes something through the site's API.
    pub(crate) async fn tell(&self, method: Method, path: &str, body: &Value) -> Result<Answer, Fault> {
        self.call(Kind::Write, method, path, Some(body)).await
    }

    async fn call(&self, kind: Kind, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Fault> {
        let address = format!("{}/{path}", self.site().await?.api);
        let request = || {
            let request = self.client.request(method.clone(), &address);
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        self.signed(kind, request).await
    }

    /// A dead identity sees an empty, healthy world: an answer is believed when it names us, or `myself` does.
    pub(crate) async fn check_caller(&self, answer: &Answer) -> Result<(), Fault> {
        match answer.header(CALLER) {
            Some(caller) => self.expect(&caller),
            None => self.check_myself().await,
        }
    }

    pub(crate) async fn check_myself(&self) -> Result<(), Fault> {
        let answer = self.ask(Method::GET, "myself", None).await?;
        if !answer.status.is_success() {
            return Err(self.dead(self.refused(&answer).detail));
        }
        let me: wire::Myself = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        self.expect(&me.account_id.or(me.name).unwrap_or_default())
    }

    fn expect(&self, caller: &str) -> Result<(), Fault> {
        match &self.settings.account_id {
            Some(wanted) if wanted != caller => {
                Err(self.dead(format!("the site knows us as {caller:?}, not as account_id {wanted:?}")))
            }
            _ => Ok(()),
        }
    }
}
