//! How people come in and go out: by the identity provider, by a local account, by a link that signs in once. Forms are
//! plain; nothing here needs a script. Secrets stand in no address but those that are used once.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Form, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, http};
use jiff::Timestamp;
use milestoned_identity::begun::Begun;
use milestoned_identity::machine::RESERVED;
use milestoned_identity::rights::{Right, Rights};
use milestoned_identity::{account, secret, session};
use milestoned_oidc::{Returned, SIGN_IN_WITHIN};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::access::{Access, Caller};
use super::asking_again;
use super::guesses::{Who, address_of};
use super::pages::{Person, filters, page_of_ours, render};
use super::problem::{ApiError, foreign};
use crate::environment::Environment;
use crate::printable;
use crate::store::actor::Actor;
use crate::store::provider_grants::ProviderGrant;
use crate::store::sign_ins::{Account, OneTime, SignedIn, Way};

type Shared = State<Arc<Environment>>;
type Door = Extension<Arc<Access>>;

/// The pages of this module.
pub fn routes() -> Router<Arc<Environment>> {
    Router::new()
        .route("/sign-in", get(page).post(by_account))
        .route("/sign-in/provider", post(to_provider))
        .route("/sign-in/callback", get(from_provider))
        .route("/sign-in/link", get(by_link))
        .route("/sign-in/invitation", get(invitation).post(accept_invitation))
        .route("/sign-out", post(sign_out))
        .route("/sessions", get(sessions))
        .route("/sessions/end", post(end_session))
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    next: String,
    provider: bool,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage {
    code: String,
    person: String,
    factor: String,
    address: String,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    person: Person,
    sessions: Vec<SignedIn>,
    own: String,
    everybody: bool,
}

/// What a request says about itself, for the session that it opens.
struct Visitor {
    address: std::net::IpAddr,
    agent: String,
    from_our_pages: bool,
    cookies: http::HeaderMap,
}

impl FromRequestParts<Arc<Environment>> for Visitor {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Environment>) -> Result<Self, ApiError> {
        let access = parts.extensions.get::<Arc<Access>>().cloned();
        let access = access.ok_or_else(|| ApiError::not_found("page", parts.uri.path()))?;
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self {
            address: address_of(parts),
            agent: agent.chars().take(200).collect(),
            from_our_pages: access.comes_from_our_pages(&parts.headers),
            cookies: parts.headers.clone(),
        })
    }
}

impl Visitor {
    /// # Errors
    /// A form of another site.
    fn is_ours(&self) -> Result<(), ApiError> {
        if self.from_our_pages { Ok(()) } else { Err(foreign()) }
    }
}

/// Where somebody wanted to go.
#[derive(Deserialize, Default)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn page(Extension(access): Door, Query(Next { next }): Query<Next>) -> Response {
    show(&access, &next, None)
}

fn show(access: &Access, next: &str, problem: Option<String>) -> Response {
    let status = if problem.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let page = SignInPage { next: page_of_ours(next), provider: access.provider.is_some(), problem };
    (status, render(&page)).into_response()
}

#[derive(Deserialize)]
struct AccountForm {
    person: String,
    password: String,
    code: String,
    #[serde(default)]
    next: String,
}

async fn by_account(
    State(env): Shared,
    Extension(access): Door,
    visitor: Visitor,
    Form(form): Form<AccountForm>,
) -> Result<Response, ApiError> {
    visitor.is_ours()?;
    let now = env.clock.now();
    access.look(visitor.address, now)?;
    let person = form.person.trim().to_lowercase();
    let stored = env.store.account(person.clone()).await?.filter(|account| account.closed_at.is_none());
    let Some(account) = right(&env, &access, stored, &form, now).await? else {
        access.wrong(&env.store, visitor.address, now).await?;
        let problem = "Name, password and code do not belong together. A code works once: wait for the next one.";
        return Ok(show(&access, &form.next, Some(problem.into())));
    };
    let opened = Opened {
        person: account.person,
        way: Way::Account,
        rights: account.rights,
        authenticated_at: now,
        given: None,
    };
    open(&env, &access, &visitor, opened, &page_of_ours(&form.next)).await
}

/// The account, if password and code are right. Takes as long where there is no such account. Who knows the password and guesses
/// the code is heard less and less often, from however many addresses, and not told that the password was right.
async fn right(
    env: &Environment,
    access: &Access,
    stored: Option<Account>,
    form: &AccountForm,
    now: Timestamp,
) -> Result<Option<Account>, ApiError> {
    let (hash, password) = (stored.as_ref().map(|account| account.password.clone()), form.password.clone());
    let pepper = env.key.pepper();
    let verified = tokio::task::spawn_blocking(move || account::verify(hash.as_deref(), &password, &pepper)).await;
    let (true, Some(account)) = (verified.unwrap_or(false), stored) else { return Ok(None) };
    let who = Who::Account(account.person.clone());
    if !access.guesses().is_heard(who.clone(), now) {
        return Ok(None);
    }
    let place = format!("account:{}", account.person);
    let Ok(factor) = env.key.open(&place, &account.factor) else { return Ok(None) };
    let step = account::check_factor(&account.person, &factor, &form.code, account.factor_step, now);
    let Ok(Some(step)) = step else {
        access.wrong(&env.store, who, now).await?;
        return Ok(None);
    };
    if !env.store.use_factor_step(account.person.clone(), step).await? {
        return Ok(None);
    }
    access.guesses().right(who);
    Ok(Some(account))
}

/// Somebody who has shown who they are.
struct Opened {
    person: String,
    way: Way,
    rights: Rights,
    authenticated_at: Timestamp,
    given: Option<Given>,
}

/// What the identity provider gave beside.
struct Given {
    issuer: String,
    subject: String,
    refresh_token: Option<SecretString>,
}

/// Opens a session and leads on. A session that the browser had before is not gone on with.
async fn open(
    env: &Environment,
    access: &Access,
    visitor: &Visitor,
    opened: Opened,
    next: &str,
) -> Result<Response, ApiError> {
    let (now, secret) = (env.clock.now(), secret::fresh(&mut rand::rng()));
    if let Some(Caller { session: Some(former), .. }) = access.person(env, &visitor.cookies).await? {
        env.store.end_sessions(former.digest, former.person.into(), "signed in anew", now).await?;
    }
    let session = SignedIn {
        digest: env.key.known_as(&secret),
        person: opened.person,
        way: opened.way,
        rights: opened.rights,
        address: visitor.address.to_string(),
        agent: visitor.agent.clone(),
        authenticated_at: opened.authenticated_at,
        opened_at: now,
        used_at: now,
    };
    let grant = opened.given.map(|given| ProviderGrant {
        issuer: given.issuer,
        subject: given.subject,
        refresh_token: given.refresh_token.and_then(|token| {
            let place = asking_again::place(&session.digest);
            env.key.seal(&place, token.expose_secret()).ok()
        }),
        confirmed_at: now,
        asked_at: now,
    });
    env.store.open_session(session, grant).await?;
    let oldest = now.checked_sub(access.limits.absolute).unwrap_or(now);
    env.store.forget_sign_ins(oldest, now).await?;
    with_cookie(Redirect::to(next), &session::set_cookie(access.https(), &secret))
}

fn with_cookie(redirect: Redirect, cookie: &str) -> Result<Response, ApiError> {
    let value = HeaderValue::from_str(cookie).map_err(|_| ApiError::not_found("cookie", ""))?;
    Ok(([(header::SET_COOKIE, value)], redirect).into_response())
}

/// The cookie that ties an answer of the provider to the browser that asked.
fn begun_cookie(https: bool, secret: &str) -> String {
    let (name, secure) = if https { ("__Host-milestoned-begun", "; Secure") } else { ("milestoned-begun", "") };
    let age = SIGN_IN_WITHIN.as_secs();
    format!("{name}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")
}

async fn to_provider(
    State(env): Shared,
    Extension(access): Door,
    visitor: Visitor,
    Form(Next { next }): Form<Next>,
) -> Result<Response, ApiError> {
    visitor.is_ours()?;
    let Some(provider) = &access.provider else { return Err(ApiError::not_found("provider", "identity.oidc")) };
    let (now, secret) = (env.clock.now(), secret::fresh(&mut rand::rng()));
    let begun = Begun::fresh(&page_of_ours(&next), &mut rand::rng());
    let address = match provider.address(&begun, false, now).await {
        Ok(address) => address,
        Err(error) => return Ok(show(&access, &next, Some(error.to_string()))),
    };
    let until = now.saturating_add(SIGN_IN_WITHIN).unwrap_or(now);
    env.store.keep_one_time(env.key.known_as(&secret), OneTime::SignIn(begun), until).await?;
    with_cookie(Redirect::to(address.as_str()), &begun_cookie(access.https(), &secret))
}

async fn from_provider(
    State(env): Shared,
    Extension(access): Door,
    visitor: Visitor,
    Query(returned): Query<Returned>,
) -> Result<Response, ApiError> {
    let now = env.clock.now();
    let name = if access.https() { "__Host-milestoned-begun=" } else { "milestoned-begun=" };
    let cookies = visitor.cookies.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let secret = cookies.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(name));
    let begun = match secret {
        Some(secret) => env.store.take_one_time(env.key.known_as(secret), now).await?,
        None => None,
    };
    let (Some(provider), Some(OneTime::SignIn(begun))) = (&access.provider, begun) else {
        let problem = "The sign-in was not begun in this browser, or longer than ten minutes ago. Begin it again.";
        return Ok(show(&access, "/", Some(problem.into())));
    };
    let identified = match provider.complete(&begun, returned, now).await {
        Ok(identified) => identified,
        Err(error) => {
            tracing::warn!(error = %error, "a sign-in at the identity provider failed");
            return Ok(show(&access, &begun.next, Some(error.to_string())));
        }
    };
    let (issuer, subject) = (provider.issuer().to_owned(), identified.subject);
    let account = (issuer.clone(), subject.clone());
    let shown = identified.person.trim().to_owned();
    let known =
        if may_be_called(&env, &shown) { env.store.provider_account(account, shown.clone(), now).await? } else { None };
    let Some(person) = known else {
        tracing::warn!(person = shown, "a name of the identity provider is another one's here");
        let problem = format!(
            "Somebody else is known here as {shown:?}. Have the name corrected at the identity provider; or, where it has passed on to \
             you, have whoever operates milestoned close the former account: milestoned people close."
        );
        return Ok(show(&access, &begun.next, Some(problem)));
    };
    let (rights, authenticated_at) = (identified.rights, identified.authenticated_at);
    let given = Some(Given { issuer, subject, refresh_token: identified.refresh_token });
    let opened = Opened { person, way: Way::Provider, rights, authenticated_at, given };
    open(&env, &access, &visitor, opened, &page_of_ours(&begun.next)).await
}

/// Whether a name may be a person's: it is neither the daemon's own, nor a connection's, and holds nothing that nobody sees.
fn may_be_called(env: &Environment, name: &str) -> bool {
    let connections: Vec<String> = env.registry.iter().map(|(name, _)| name.to_owned()).collect();
    let reserved = RESERVED.contains(&name.to_lowercase().as_str());
    let plain = !name.is_empty() && printable::line(name) == name && !name.chars().any(char::is_control);
    plain && !reserved && Actor::from(name).may_be_person(&connections)
}

/// What stands in an address that is used once.
#[derive(Deserialize)]
struct Code {
    code: String,
    #[serde(default)]
    next: String,
}

async fn by_link(
    State(env): Shared,
    Extension(access): Door,
    visitor: Visitor,
    Query(Code { code, next }): Query<Code>,
) -> Result<Response, ApiError> {
    let now = env.clock.now();
    access.look(visitor.address, now)?;
    let taken =
        if visitor.address.is_loopback() { env.store.take_one_time(env.key.known_as(&code), now).await? } else { None };
    let Some(OneTime::Link { person, rights }) = taken else {
        access.wrong(&env.store, visitor.address, now).await?;
        let problem = "This link has been used, is too old, or was opened on another machine than the daemon's.";
        return Ok(show(&access, &next, Some(problem.into())));
    };
    let opened = Opened { person, way: Way::Link, rights, authenticated_at: now, given: None };
    open(&env, &access, &visitor, opened, &page_of_ours(&next)).await
}

async fn invitation(
    State(env): Shared,
    Extension(access): Door,
    visitor: Visitor,
    Query(Code { code, .. }): Query<Code>,
) -> Result<Response, ApiError> {
    let now = env.clock.now();
    access.look(visitor.address, now)?;
    match env.store.one_time(env.key.known_as(&code), now).await? {
        Some(OneTime::Invitation { person, factor, .. }) => invite(&env, code, person, &factor, None),
        _ => uninvited(&env, &access, &visitor).await,
    }
}

async fn uninvited(env: &Environment, access: &Access, visitor: &Visitor) -> Result<Response, ApiError> {
    access.wrong(&env.store, visitor.address, env.clock.now()).await?;
    let problem = "This invitation has been used or is too old. Ask for another one.";
    Ok(show(access, "/", Some(problem.into())))
}

fn invite(
    env: &Environment,
    code: String,
    person: String,
    factor: &str,
    problem: Option<String>,
) -> Result<Response, ApiError> {
    let unreadable = || ApiError::not_found("invitation", "the second factor cannot be read");
    let factor = env.key.open(&format!("account:{person}"), factor).map_err(|_| unreadable())?;
    let address = account::factor_address(&person, &factor).map_err(|_| unreadable())?;
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, render(&InvitationPage { code, person, factor, address, problem })).into_response())
}

#[derive(Deserialize)]
struct InvitationForm {
    code: String,
    password: String,
    again: String,
    factor_code: String,
}

async fn accept_invitation(
    State(env): Shared,
    Extension(access): Door,
    visitor: Visitor,
    Form(form): Form<InvitationForm>,
) -> Result<Response, ApiError> {
    visitor.is_ours()?;
    let now = env.clock.now();
    access.look(visitor.address, now)?;
    let digest = env.key.known_as(&form.code);
    let Some(OneTime::Invitation { person, rights, factor }) = env.store.one_time(digest.clone(), now).await? else {
        return uninvited(&env, &access, &visitor).await;
    };
    let again = |problem: String| invite(&env, form.code.clone(), person.clone(), &factor, Some(problem));
    if form.password != form.again {
        return again("The two passwords differ.".into());
    }
    let (name, password, pepper) = (person.clone(), form.password.clone(), env.key.pepper());
    let hashed = tokio::task::spawn_blocking(move || account::hash(&name, &password, &pepper)).await;
    let password = match hashed {
        Ok(Ok(hash)) => hash,
        Ok(Err(error)) => return again(error.to_string()),
        Err(_) => return again("The password could not be hashed. Try again.".into()),
    };
    let opened = env.key.open(&format!("account:{person}"), &factor).unwrap_or_default();
    let Ok(Some(step)) = account::check_factor(&person, &opened, &form.factor_code, 0, now) else {
        return again(
            "The code is not the one that the secret gives now. See that the clock of your device is right.".into(),
        );
    };
    if env.store.take_one_time(digest, now).await?.is_none() {
        return uninvited(&env, &access, &visitor).await;
    }
    let account = Account { person: person.clone(), password, factor, factor_step: step, rights, closed_at: None };
    env.store.keep_account(account, (&person).into(), now).await?;
    env.store.use_factor_step(person.clone(), step).await?;
    let opened = Opened { person, way: Way::Account, rights, authenticated_at: now, given: None };
    open(&env, &access, &visitor, opened, "/").await
}

async fn sign_out(State(env): Shared, Extension(access): Door, person: Person) -> Result<Response, ApiError> {
    let now = env.clock.now();
    let session = person.caller.session;
    let by_provider = session.as_ref().is_some_and(|session| session.way == Way::Provider);
    if let Some(session) = session {
        env.store.end_sessions(session.digest, session.person.into(), "signed out", now).await?;
    }
    let elsewhere = match &access.provider {
        Some(provider) if by_provider => provider.end_session(&env.settings.http.public_url, now).await.ok().flatten(),
        _ => None,
    };
    let next = elsewhere.map_or_else(|| "/sign-in".to_owned(), String::from);
    with_cookie(Redirect::to(&next), &session::clear_cookie(access.https()))
}

async fn sessions(State(env): Shared, person: Person) -> Result<Response, ApiError> {
    let everybody = person.caller.may(Right::Audit).is_ok();
    let mut sessions = env.store.sessions().await?;
    sessions.retain(|session| everybody || session.person == person.caller.name);
    let own = person.caller.session.as_ref().map(|session| session.id().to_owned()).unwrap_or_default();
    Ok(render(&SessionsPage { person, sessions, own, everybody }))
}

#[derive(Deserialize)]
struct EndForm {
    session: String,
}

async fn end_session(State(env): Shared, person: Person, Form(form): Form<EndForm>) -> Result<Redirect, ApiError> {
    let sessions = env.store.sessions().await?;
    let meant = sessions.into_iter().find(|session| session.id() == form.session);
    let meant = meant.ok_or_else(|| ApiError::not_found("session", &form.session))?;
    if meant.person != person.caller.name {
        person.caller.may(Right::Operate)?;
    }
    env.store.end_sessions(meant.digest, person.caller.name.into(), "ended by a person", env.clock.now()).await?;
    Ok(Redirect::to("/sessions"))
}
