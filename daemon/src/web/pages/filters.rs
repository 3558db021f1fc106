//! How templates write amounts, addresses and times.
#![expect(unreachable_pub, reason = "the macro makes a public type of the filter")]

use milestoned_mapping::address;
use milestoned_mapping::money::grouped;

/// Thousands separated.
#[askama::filter_fn]
pub(super) fn money(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(grouped(&text.to_string()))
}

/// The path of a contract's page.
#[askama::filter_fn]
pub(super) fn contract_path(id: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(address::contract("", &id.to_string()))
}

/// The path of a customer's page.
#[askama::filter_fn]
pub(super) fn customer_path(name: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(format!("/customers/{}", address::segment(&name.to_string())))
}

/// The path of the page of something that waits.
#[askama::filter_fn]
pub(super) fn case_path(subject: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(format!("/case/{}", address::segment(&subject.to_string())))
}

/// Text as one part of an address.
#[askama::filter_fn]
pub(super) fn segment(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(address::segment(&text.to_string()))
}

/// An instant to the minute.
#[askama::filter_fn]
pub(super) fn minute(at: &jiff::Timestamp, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(at.strftime("%Y-%m-%d %H:%M").to_string())
}

/// A word of the code as people read it: `credit_memo` as `credit memo`.
#[askama::filter_fn]
pub(super) fn words(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(text.to_string().replace('_', " "))
}

/// An instant of the audit trail to the minute.
#[askama::filter_fn]
pub(super) fn instant(at: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    let text = at.to_string();
    let read = text.parse::<jiff::Timestamp>();
    Ok(read.map_or(text, |at| at.strftime("%Y-%m-%d %H:%M").to_string()))
}
