//! How templates write amounts, addresses and times.
#![expect(unreachable_pub, reason = "the macro makes a public type of the filter")]

use milestoned_mapping::address;
use milestoned_mapping::money::grouped;

use super::case::LEGS;
use crate::review::queue::meaning;

/// Thousands separated.
#[askama::filter_fn]
pub(in crate::web) fn money(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(grouped(&text.to_string()))
}

/// The path of a contract's page.
#[askama::filter_fn]
pub(in crate::web) fn contract_path(id: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(address::contract("", &id.to_string()))
}

/// The path of a customer's page.
#[askama::filter_fn]
pub(in crate::web) fn customer_path(name: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(format!("/customers/{}", address::segment(&name.to_string())))
}

/// The path of the page of something that waits.
#[askama::filter_fn]
pub(in crate::web) fn case_path(subject: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(format!("/case/{}", address::segment(&subject.to_string())))
}

/// Text as one part of an address.
#[askama::filter_fn]
pub(in crate::web) fn segment(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(address::segment(&text.to_string()))
}

/// An instant to the minute, where the reader is, with the name of the zone.
#[askama::filter_fn]
pub(in crate::web) fn minute(
    at: &jiff::Timestamp,
    _: &dyn askama::Values,
    zone: &jiff::tz::TimeZone,
) -> askama::Result<String> {
    Ok(there(*at, zone))
}

/// An instant to the second, in a zone that is named beside it.
pub(super) fn second(at: jiff::Timestamp, zone: &jiff::tz::TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn there(at: jiff::Timestamp, zone: &jiff::tz::TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// A number with its noun: `1 day`, `2 days`.
#[askama::filter_fn]
pub(in crate::web) fn counted(
    count: impl std::fmt::Display,
    _: &dyn askama::Values,
    noun: &str,
) -> askama::Result<String> {
    Ok(milestoned_mapping::counted::counted(count.to_string().parse::<i64>().unwrap_or_default(), noun))
}

/// A noun as it stands behind a number that is written by itself.
#[askama::filter_fn]
pub(in crate::web) fn plural(
    noun: impl std::fmt::Display,
    _: &dyn askama::Values,
    count: usize,
) -> askama::Result<String> {
    Ok(milestoned_mapping::counted::plural(count, &noun.to_string()))
}

/// What the code of an exception or a drift means.
#[askama::filter_fn]
pub(in crate::web) fn title_of_code(code: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    let code = code.to_string();
    let (title, _) = meaning(&code);
    Ok(if title.is_empty() { code } else { title.to_owned() })
}

/// A leg as its column is headed: `psa` as `Project tool`.
#[askama::filter_fn]
pub(in crate::web) fn leg_name(leg: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    let word = leg.to_string();
    let known = LEGS.iter().find(|(leg, _)| leg.to_string() == word);
    Ok(known.map_or(word, |(_, name)| (*name).to_owned()))
}

/// A word of the code as people read it: `credit_memo` as `credit memo`.
#[askama::filter_fn]
pub(in crate::web) fn words(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(text.to_string().replace('_', " "))
}

/// An instant of the audit trail to the minute, where the reader is.
#[askama::filter_fn]
pub(in crate::web) fn instant(
    at: impl std::fmt::Display,
    _: &dyn askama::Values,
    zone: &jiff::tz::TimeZone,
) -> askama::Result<String> {
    let text = at.to_string();
    let read = text.parse::<jiff::Timestamp>();
    Ok(read.map_or(text, |at| there(at, zone)))
}
