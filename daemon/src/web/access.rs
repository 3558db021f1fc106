//! Who calls, and what they may do. Programs come to the API with bearer tokens, people to the pages with sessions; neither
//! takes what belongs to the other. Wrong secrets are counted by address, slowed down, and told.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use milestoned_identity::machine::Machines;
use milestoned_identity::people::People;
use milestoned_identity::rights::{Right, Rights};
use milestoned_identity::session::{self, Limits};
use milestoned_oidc::Provider;
use url::Url;
use utoipa::Modify;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use super::asking_again::Asking;
use super::guesses::{Guesses, Who, address_of};
use super::problem::ApiError;
use super::reach::{self, Reach};
use crate::environment::Environment;
use crate::settings::Settings;
use crate::store::action::Action;
use crate::store::actor::Actor;
use crate::store::sign_ins::SignedIn;
use crate::store::{Store, StoreError};

/// Adds the bearer scheme to the API's description.
pub struct BearerScheme;

impl Modify for BearerScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// Who is known, and by what.
pub struct Access {
    machines: Machines,
    /// Who counts as one person.
    pub people: Arc<People>,
    /// The identity provider, where there is one.
    pub provider: Option<Provider>,
    /// How long sessions last.
    pub limits: Limits,
    /// Scheme, host and port of our pages, as a browser names them.
    origin: String,
    https: bool,
    guesses: Arc<Guesses>,
    asking: Asking,
}

impl Access {
    /// As the configuration has it.
    ///
    /// # Errors
    /// The provider cannot be used.
    pub fn new(settings: &Settings, people: Arc<People>) -> anyhow::Result<Self> {
        let identity = &settings.identity;
        let public = Url::parse(&settings.http.public_url)?;
        let provider = identity.oidc.clone().map(|oidc| Provider::new(oidc, &settings.http.public_url)).transpose()?;
        Ok(Self {
            machines: Machines::new(&settings.http.tokens),
            people,
            provider,
            limits: identity.session,
            origin: public.origin().ascii_serialization(),
            https: public.scheme() == "https",
            guesses: Arc::default(),
            asking: Asking::default(),
        })
    }

    /// Whether our pages are served over https.
    pub fn https(&self) -> bool {
        self.https
    }

    /// Who has guessed.
    pub(super) fn guesses(&self) -> Arc<Guesses> {
        Arc::clone(&self.guesses)
    }

    /// Refuses to look at a secret from an address that has guessed too often.
    pub(super) fn look(&self, address: IpAddr, now: Timestamp) -> Result<(), ApiError> {
        if self.guesses.is_heard(address, now) {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TOO_MANY_WRONG_TOKENS",
            format!("too many wrong secrets came from {address}: none is looked at for up to a minute"),
            "wait, and try again with the right one",
        ))
    }

    /// Counts a wrong secret, and tells about it where who showed it is not heard from now on.
    pub(super) async fn wrong(&self, store: &Store, who: impl Into<Who>, now: Timestamp) -> Result<(), StoreError> {
        let who = who.into();
        if let Some(wait) = self.guesses.wrong(who.clone(), now) {
            let seconds = wait.as_secs();
            tracing::warn!(%who, seconds, "wrong secrets are shown, and whoever shows them is not heard");
            store.note(Action::WrongTokens, who.to_string(), format!("not heard for {seconds} s"), now).await?;
        }
        Ok(())
    }

    /// The program that a bearer token belongs to.
    async fn machine(&self, env: &Environment, parts: &Parts) -> Result<Option<Caller>, ApiError> {
        // Of two, a proxy before us may have looked at the other one.
        let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
        let only = given.next().filter(|_| given.next().is_none());
        let bearer = only.and_then(|value| value.to_str().ok());
        let Some(presented) = bearer.and_then(|value| value.strip_prefix("Bearer ")) else { return Ok(None) };
        let (address, now) = (address_of(parts), env.clock.now());
        self.look(address, now)?;
        let Some(machine) = self.machines.owner(presented, now) else {
            self.wrong(&env.store, address, now).await?;
            return Ok(None);
        };
        self.guesses.right(address);
        Ok(Some(Caller {
            name: machine.name.clone(),
            person: self.people.person_of(&machine.name),
            rights: machine.rights,
            reach: Reach::of(machine, &env.store).await?,
            session: None,
        }))
    }

    /// The person whose session a request carries, if it is still open.
    ///
    /// # Errors
    /// The store failed.
    pub async fn person(&self, env: &Environment, headers: &HeaderMap) -> Result<Option<Caller>, StoreError> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let Some(secret) = session::from_cookies(self.https, cookies) else { return Ok(None) };
        let Some(signed_in) = env.store.session(env.key.known_as(secret)).await? else { return Ok(None) };
        let now = env.clock.now();
        if session::ends(self.limits, signed_in.opened_at, signed_in.used_at) <= now {
            let id = signed_in.digest.clone();
            env.store.end_sessions(id, signed_in.person.into(), "it had lasted as long as sessions do", now).await?;
            return Ok(None);
        }
        let current = self.asking.current(env, self.provider.as_ref(), signed_in, now).await?;
        let Some(signed_in) = current else { return Ok(None) };
        env.store.session_used(&signed_in, now).await?;
        Ok(Some(self.caller(signed_in)))
    }

    fn caller(&self, signed_in: SignedIn) -> Caller {
        let listed = self.people.listed(&signed_in.person);
        Caller {
            name: signed_in.person.clone(),
            person: self.people.person_of(&signed_in.person),
            rights: listed.map_or(signed_in.rights, |listed| signed_in.rights.and(listed.rights)),
            reach: Reach::Everything,
            session: Some(signed_in),
        }
    }

    /// Whether an unsafe request with a session comes from our own pages.
    pub fn comes_from_our_pages(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        session::comes_from_our_pages(&self.origin, text("sec-fetch-site"), text("origin"))
    }
}

/// Somebody who is known.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The name for the audit trail.
    pub name: String,
    /// The one name of the person, whatever they came by.
    pub person: String,
    /// What they may do.
    pub rights: Rights,
    /// About which contracts.
    pub reach: Reach,
    /// Their session, where they came by one.
    pub session: Option<SignedIn>,
}

impl Caller {
    /// Who it is, as the audit trail names them.
    pub fn actor(&self) -> Actor {
        Actor::from(&self.name)
    }

    /// # Errors
    /// They may not: 403, with the right that lacks.
    pub fn may(&self, right: Right) -> Result<(), ApiError> {
        if self.rights.has(right) {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            format!("{:?} lacks the right {right}", self.name),
            format!("have somebody do it who has the right {right}, or have it granted"),
        ))
    }
}

/// The door of a router: the extractors below find it among the request's extensions.
pub(super) fn of(parts: &Parts) -> Result<Arc<Access>, ApiError> {
    parts.extensions.get::<Arc<Access>>().cloned().ok_or_else(|| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "NO_ACCESS",
            "nobody can be known here",
            "tell the maintainers",
        )
    })
}

async fn program(env: &Arc<Environment>, parts: &Parts) -> Result<Caller, ApiError> {
    let Some(caller) = of(parts)?.machine(env, parts).await? else {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORISED",
            "no valid token",
            "send Authorization: Bearer with a token of [[http.tokens]]; the API takes no cookie",
        ));
    };
    Ok(caller)
}

/// What an API handler learns of the program that calls it.
pub trait Known: Sized {
    /// Of a program that is known.
    ///
    /// # Errors
    /// It lacks the right.
    fn of(caller: Caller) -> Result<Self, ApiError>;
}

/// A program of which the handler itself keeps to what it reaches: it leaves out, or refuses, everything else. Without this a
/// program that is restricted to some contracts is refused wherever the address does not name one of them.
#[derive(Debug, Clone)]
pub struct Restrained<T>(pub T);

impl<T: Known> FromRequestParts<Arc<Environment>> for Restrained<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, ApiError> {
        T::of(program(env, parts).await?).map(Self)
    }
}

/// Extractors of the API: a program, and the right that it must have.
macro_rules! programs {
    ($($(#[$doc:meta])* $name:ident $(: $right:ident)?),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub Caller);

        impl Known for $name {
            fn of(caller: Caller) -> Result<Self, ApiError> {
                $(caller.may(Right::$right)?;)?
                Ok(Self(caller))
            }
        }

        impl FromRequestParts<Arc<Environment>> for $name {
            type Rejection = ApiError;
            async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, ApiError> {
                let known = Self::of(program(env, parts).await?)?;
                reach::keep_to(&known.0.name, &known.0.reach, parts).await?;
                Ok(known)
            }
        }
    )*};
}

programs! {
    /// With a valid token, whatever it may do: the handler asks for the right that the act needs.
    Program,
    /// May read.
    Viewing: View,
    /// May file terms and change orders.
    Filing: FileTerms,
    /// May tell facts.
    Telling: TellFacts,
    /// May approve and hold.
    Approving: Approve,
    /// May overrule exceptions.
    Overruling: Overrule,
    /// May decide about parked deliveries, and about what they wait for.
    Releasing: Release,
    /// May read the audit trail.
    Auditing: Audit,
    /// May operate the daemon.
    Operating: Operate,
}
