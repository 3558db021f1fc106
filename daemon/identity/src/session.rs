//! What a browser holds after a sign-in: an opaque id in a cookie. The server keeps its digest, whom it is for, and when it
//! ends; nothing can be read from the cookie itself.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Without a request for so long, it is over.
    pub idle: SignedDuration,
    /// However busy, it is over after this.
    pub absolute: SignedDuration,
}

/// When a session that was opened at `opened` and last used at `used` ends.
pub fn ends(limits: Limits, opened: Timestamp, used: Timestamp) -> Timestamp {
    let idle = used.saturating_add(limits.idle).unwrap_or(used);
    let absolute = opened.saturating_add(limits.absolute).unwrap_or(opened);
    idle.min(absolute)
}

/// The cookie's name. With https the prefix binds it to this host, to Secure and to the whole site; browsers refuse to let
/// another host or a plain page set it. Plain http has it only on loopback, for the demo.
pub fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-milestoned" } else { "milestoned" }
}

/// The value of `Set-Cookie` that hands out a session.
pub fn set_cookie(https: bool, secret: &str) -> String {
    let secure = if https { "; Secure" } else { "" };
    format!("{}={secret}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie_name(https))
}

/// The value of `Set-Cookie` that takes it back.
pub fn clear_cookie(https: bool) -> String {
    format!("{}; Max-Age=0", set_cookie(https, ""))
}

/// The session's secret among the values of `Cookie` headers.
pub fn from_cookies<'a>(https: bool, cookies: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let named = cookie_name(https);
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(named)?.strip_prefix('='))
        .filter(|secret| !secret.is_empty())
}

/// Whether an unsafe request (anything but GET, HEAD, OPTIONS) that carries a session comes from our own pages, as the
/// browser tells: `Sec-Fetch-Site` where it sends that, else `Origin`. A browser sends at least one of them with a form.
pub fn comes_from_our_pages(public_origin: &str, sec_fetch_site: Option<&str>, origin: Option<&str>) -> bool {
    match (sec_fetch_site, origin) {
        (Some(site), _) if site != "same-origin" => false,
        (_, Some(origin)) => origin == public_origin,
        (Some(_), None) => true,
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_nobody_uses_it_and_after_a_day_s_work_at_the_latest() {
        let limits = Limits { idle: SignedDuration::from_mins(30), absolute: SignedDuration::from_hours(12) };
        let opened: Timestamp = "2026-11-30T08:00:00Z".parse().unwrap();
        let later = |hours: i64| opened + SignedDuration::from_hours(hours);
        assert_eq!(ends(limits, opened, later(1)), later(1) + SignedDuration::from_mins(30));
        assert_eq!(ends(limits, opened, later(12)), later(12));
    }

    #[test]
    fn the_cookie_is_bound_to_the_host_and_out_of_reach_of_scripts() {
        assert_eq!(set_cookie(true, "x"), "__Host-milestoned=x; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(from_cookies(true, ["a=b; __Host-milestoned=x"].into_iter()), Some("x"));
        assert_eq!(from_cookies(true, ["milestoned=x"].into_iter()), None, "an unbound cookie is not ours");
        assert_eq!(from_cookies(false, ["milestoned="].into_iter()), None);
    }

    #[test]
    fn other_pages_send_nothing_in_somebody_s_name() {
        let ours = |site, origin| comes_from_our_pages("https://m.example", site, origin);
        assert!(ours(Some("same-origin"), Some("https://m.example")));
        assert!(ours(None, Some("https://m.example")));
        assert!(ours(Some("same-origin"), None));
        for (site, origin) in [
            (Some("cross-site"), Some("https://m.example")),
            (Some("same-site"), Some("https://m.example:8443")),
            (Some("none"), None),
            (Some("same-origin"), Some("null")),
            (None, Some("https://evil.example")),
            (None, Some("http://m.example")),
            (None, None),
        ] {
            assert!(!ours(site, origin), "{site:?} {origin:?}");
        }
    }
}
