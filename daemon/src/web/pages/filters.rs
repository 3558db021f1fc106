//! How templates write amounts, addresses and times.
#![expect(unreachable_pub, reason = "the macro makes a public type of the filter")]

use milestoned_mapping::address;
use milestoned_mapping::money::grouped;

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

fn there(at: jiff::Timestamp, zone: &jiff::tz::TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
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
