//! Rights that the identity provider's groups give are asked for again while a session lasts: who is blocked there, or has moved to
//! another group, is signed out here, or may do something else, within a quarter of an hour and not at the end of the day.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use milestoned_oidc::{OidcError, Provider};
use secrecy::{ExposeSecret as _, SecretString};

use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::actor::Actor;
use crate::store::provider_grants::{Confirmation, ProviderGrant};
use crate::store::sign_ins::{SignedIn, Way};

/// A provider that has not answered is asked about a session again after this.
const ANOTHER_ATTEMPT_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Asks the provider about sessions, about each once at a time: a refresh token that comes twice ends what the provider gave.
#[derive(Debug, Default)]
pub(super) struct Asking(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Asking {
    /// The session with the rights that its person has now; `None`: it has ended.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn current(
        &self,
        env: &Environment,
        provider: Option<&Provider>,
        session: SignedIn,
        now: Timestamp,
    ) -> Result<Option<SignedIn>, StoreError> {
        if session.way != Way::Provider {
            return Ok(Some(session));
        }
        let Some(provider) = provider else {
            return end(env, session, "no identity provider is configured any more", now).await;
        };
        let mut grant = env.store.provider_grant(session.digest.clone()).await?;
        if grant.as_ref().is_some_and(|grant| grant.issuer != provider.issuer()) {
            return end(env, session, "another identity provider is configured now", now).await;
        }
        if grant.as_ref().is_some_and(|grant| is_due(provider, grant, now)) {
            let turn = self.about(&session.digest);
            let _alone = turn.lock().await;
            // Whoever had the turn before has changed both.
            let Some(session) = env.store.session(session.digest).await? else { return Ok(None) };
            grant = env.store.provider_grant(session.digest.clone()).await?;
            return match grant.filter(|grant| is_due(provider, grant, now)) {
                Some(grant) => ask(env, provider, session, grant, now).await,
                None => Ok(Some(session)),
            };
        }
        let confirmed_at = grant.map_or(session.opened_at, |grant| grant.confirmed_at);
        while_it_counts(env, provider, session, confirmed_at, now).await
    }

    fn about(&self, digest: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(all.entry(digest.to_owned()).or_default())
    }
}

/// Whether something is older than a span. A clock that was put back makes it old, too.
fn is_older(at: Timestamp, span: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(at).abs() >= span
}

fn is_due(provider: &Provider, grant: &ProviderGrant, now: Timestamp) -> bool {
    grant.refresh_token.is_some()
        && is_older(grant.confirmed_at, provider.lasts().0, now)
        && is_older(grant.asked_at, ANOTHER_ATTEMPT_AFTER, now)
}

async fn ask(
    env: &Environment,
    provider: &Provider,
    session: SignedIn,
    grant: ProviderGrant,
    now: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    let place = place(&session.digest);
    let opened = grant.refresh_token.as_ref().and_then(|sealed| env.key.open(&place, sealed).ok());
    // Another daemon on the same database may have begun to ask.
    let claimed = env.store.claim_provider_grant(session.digest.clone(), &grant, now).await?;
    let (Some(refresh_token), true) = (opened, claimed) else {
        return while_it_counts(env, provider, session, grant.confirmed_at, now).await;
    };
    match provider.ask_again(&grant.subject, SecretString::from(refresh_token), now).await {
        Ok(confirmed) => {
            let confirmation = Confirmation {
                digest: session.digest.clone(),
                person: session.person.clone(),
                former: session.rights,
                rights: confirmed.rights,
                refresh_token: env.key.seal(&place, confirmed.refresh_token.expose_secret()).ok(),
            };
            env.store.confirm_provider_grant(confirmation, now).await?;
            Ok(Some(SignedIn { rights: confirmed.rights, ..session }))
        }
        Err(OidcError::Refused(reason)) => {
            tracing::warn!(person = session.person, reason, "the identity provider vouches for somebody no more");
            end(env, session, "the identity provider vouches for them no more", now).await
        }
        Err(error) => {
            tracing::warn!(%error, "the identity provider could not be asked again about somebody who is signed in");
            while_it_counts(env, provider, session, grant.confirmed_at, now).await
        }
    }
}

/// The session as it is, for as long as what the provider said last counts.
async fn while_it_counts(
    env: &Environment,
    provider: &Provider,
    session: SignedIn,
    confirmed_at: Timestamp,
    now: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    if is_older(confirmed_at, provider.lasts().1, now) {
        return end(env, session, "what the identity provider had said counts no more", now).await;
    }
    Ok(Some(session))
}

async fn end(
    env: &Environment,
    session: SignedIn,
    why: &'static str,
    now: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    env.store.end_sessions(session.digest, Actor::Daemon, why, now).await?;
    Ok(None)
}

/// Where a session's refresh token belongs: sealed for one, it cannot be opened for another.
pub(super) fn place(digest: &str) -> String {
    format!("session:{digest}")
}
