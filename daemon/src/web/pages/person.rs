//! Who looks at a page: somebody who is signed in, where they are, what they were told, whether letters are keys for them, and in
//! which time zone they read.

use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use milestoned_identity::rights::Right;
use milestoned_mapping::address;
use milestoned_mapping::problem::Problem;
use serde::Deserialize;

use super::{KEYS, TOLD, ZONE, render};
use crate::environment::Environment;
use crate::review::snapshot::{Snapshot, Snapshots};
use crate::web::access::{self, Caller};
use crate::web::extract::Fields;
use crate::web::problem::{self, ApiError};

/// Somebody who is signed in. Others are sent to the sign-in page, which leads back to where they wanted to go; a form from
/// another site is refused, whoever's session it carries.
pub(in crate::web) struct Person {
    /// Who.
    pub(in crate::web) caller: Caller,
    /// What the act came to that led here.
    pub(in crate::web) told: Option<String>,
    /// Address of the page, for forms that lead back to it.
    pub(super) here: String,
    /// Whether single letters are keys.
    pub(in crate::web) keys: bool,
    /// Where times are read: as they have chosen it, or where the digest is read, or UTC.
    pub(in crate::web) zone: TimeZone,
    snapshots: Arc<Snapshots>,
}

impl Person {
    pub(super) fn may_decide(&self) -> bool {
        self.caller.rights.has(Right::Approve)
    }

    pub(super) fn may_audit(&self) -> bool {
        self.caller.rights.has(Right::Audit)
    }

    /// Today where they are, for what belongs to no contract.
    pub(super) fn today(&self, env: &Environment) -> Date {
        env.clock.now().to_zoned(self.zone.clone()).date()
    }

    /// Name of their time zone.
    pub(super) fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// Their time zone with its name, where it is another than that of files for machines.
    pub(super) fn other_zone(&self) -> Option<(&str, &TimeZone)> {
        Some((self.zone_name(), &self.zone)).filter(|(name, _)| *name != "UTC")
    }

    /// Whether a page stands under an address that begins so, for the navigation.
    pub(in crate::web) fn is_at(&self, path: &str) -> bool {
        let here = self.here.split('?').next().unwrap_or_default();
        here == path || (path != "/" && here.starts_with(path))
    }

    /// The queue and the contracts as they stand now; while more is read than a page waits for, how far that is.
    pub(super) async fn snapshot(&self, env: &Environment) -> Result<Arc<Snapshot>, ApiError> {
        self.snapshots.look(env).await?.map_err(ApiError::gathering)
    }

    /// What keeps the snapshot, for who looks at it again in between.
    pub(super) fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// The snapshot looks again for what it searches for: this person has just done something.
    pub(super) async fn has_acted(&self) {
        self.snapshots.search_again().await;
    }
}

/// What stands behind the address of the sign-in.
const NOT_SIGNED_IN: &str = "Pages are for people who have signed in, and take no token: a program calls the API under /v1/. \
                             `milestoned people link NAME` prints a link that signs in once.\n";

/// Where somebody goes who may not even look: out, and to their own sessions.
const OWN_AFFAIRS: [&str; 3] = ["/sign-out", "/sessions", "/sessions/end"];

impl FromRequestParts<Arc<Environment>> for Person {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, Response> {
        let here = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        let told = cookie(&parts.headers, TOLD).map(|text| decoded(&text)).filter(|text| !text.is_empty());
        let keys = cookie(&parts.headers, KEYS).is_none_or(|word| word != "off");
        let chosen = cookie(&parts.headers, ZONE).and_then(|name| TimeZone::get(&decoded(&name)).ok());
        let mailed = || env.settings.mail.as_ref().and_then(|mail| TimeZone::get(&mail.timezone).ok());
        let zone = chosen.or_else(mailed).unwrap_or(TimeZone::UTC);
        let snapshots = parts.extensions.get::<Arc<Snapshots>>().cloned().unwrap_or_default();
        let access = access::of(parts).map_err(IntoResponse::into_response)?;
        let known = access.person(env, &parts.headers).await;
        let Some(caller) = known.map_err(|error| ApiError::from(error).into_response())? else {
            let next = if parts.method == Method::GET { address::segment(&here) } else { String::new() };
            // A program that came with a token reads this instead of following.
            let sign_in = [(header::LOCATION, format!("/sign-in?next={next}"))];
            return Err((StatusCode::SEE_OTHER, sign_in, NOT_SIGNED_IN).into_response());
        };
        if !parts.method.is_safe() && !access.comes_from_our_pages(&parts.headers) {
            return Err(problem::foreign().into_response());
        }
        // Whoever the identity provider knows may sign in: what they see is another question.
        if !OWN_AFFAIRS.contains(&parts.uri.path()) {
            caller.may(Right::View).map_err(IntoResponse::into_response)?;
        }
        Ok(Self { caller, told, here, keys, zone, snapshots })
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|value| value.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The path of a page of this server, whatever was asked for: a link must not lead a person elsewhere. It is read as a browser
/// reads it, which takes a backslash for a slash and leaves out tabs and line breaks.
pub(in crate::web) fn page_of_ours(next: &str) -> String {
    let Ok(base) = url::Url::parse("http://milestoned.invalid/") else { return "/".into() };
    let ours = base.join(next).ok().filter(|url| url.origin() == base.origin());
    ours.map_or_else(|| "/".into(), |url| url[url::Position::BeforePath..].to_owned())
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    person: Person,
    /// Names of time zones to choose from.
    zones: Vec<String>,
}

/// The keys, the switch for them, and the time zone.
pub(super) async fn keys_page(person: Person) -> Response {
    let zones = jiff::tz::db().available().map(|name| name.to_string()).collect();
    render(&KeysPage { person, zones })
}

/// In which time zone somebody reads.
#[derive(Deserialize)]
pub(super) struct ZoneForm {
    zone: String,
}

/// Keeps a person's time zone in their browser.
pub(super) async fn keep_zone(
    State(_): State<Arc<Environment>>,
    _: Person,
    Fields(form): Fields<ZoneForm>,
) -> Result<Response, ApiError> {
    let name = form.zone.trim();
    TimeZone::get(name).map_err(|_| {
        Problem::new("zone", format!("{name:?} is no time zone"), "choose one of the list, such as Europe/London")
    })?;
    let cookie = format!("{ZONE}={}; HttpOnly; SameSite=Strict; Max-Age=31536000; Path=/", address::segment(name));
    let cookie = HeaderValue::from_str(&cookie).map_err(|error| ApiError::invalid(error.to_string()))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/keys")).into_response())
}

/// Whether single letters are keys.
#[derive(Deserialize)]
pub(super) struct KeysForm {
    #[serde(default)]
    letters: String,
}

/// Keeps a person's word about keys in their browser.
pub(super) async fn keep_keys(
    State(_): State<Arc<Environment>>,
    _: Person,
    Fields(form): Fields<KeysForm>,
) -> Result<Response, ApiError> {
    let word = if form.letters == "on" { "on" } else { "off" };
    let cookie = format!("{KEYS}={word}; HttpOnly; SameSite=Strict; Max-Age=31536000; Path=/");
    let cookie = HeaderValue::from_str(&cookie).map_err(|error| ApiError::invalid(error.to_string()))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/keys")).into_response())
}

#[cfg(test)]
mod tests {
    use super::page_of_ours;

    #[test]
    fn nobody_is_led_to_another_server() {
        for (next, page) in [
            ("/contracts/A%2FB?x=1#M1", "/contracts/A%2FB?x=1#M1"),
            ("", "/"),
            ("//evil.example/x", "/"),
            ("/\t/evil.example/x", "/"),
            ("/\n/evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(page_of_ours(next), page, "{next:?}");
        }
    }
}
