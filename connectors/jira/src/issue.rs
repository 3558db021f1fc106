//! An issue's text as a source record: its last update, its changes, and the text itself.

use milestoned_connector_kit::read;
use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_mapping::record::{ATTACHED, Change, Content, SourceRecord};

use super::wire;

/// Names of fields, lower-cased, to their ids.
pub(crate) type Names = BTreeMap<String, String>;

/// An issue that was read.
#[derive(Debug)]
pub struct Read {
    /// The record.
    pub record: SourceRecord,
    /// The embedded changelog is cut off: the whole one is to be asked for.
    pub cut_off: bool,
    /// How many histories it shows.
    pub shown: usize,
    /// Whether it shows histories at all, and be it none.
    pub shows_history: bool,
}

/// What is wrong with an issue that was asked for with its history and has none: without it nobody has accepted anything.
pub(crate) const NO_HISTORY: &str = "changelog is missing";

/// Reads the text of an issue of this connection.
///
/// # Errors
/// Field and reason.
pub fn read(system: &str, text: &str) -> Result<Read, String> {
    read_named(system, text, None)
}

pub(crate) fn read_named(system: &str, text: &str, names: Option<&Names>) -> Result<Read, String> {
    let issue: wire::Issue<'_> = read::json(text)?;
    let updated = &issue.fields.updated;
    let at: Timestamp = updated.parse().map_err(|error| format!("updated: {updated:?}: {error}"))?;
    let shows_history = issue.changelog.is_some();
    let changelog = issue.changelog.unwrap_or_default();
    let shown = changelog.histories.len();
    let cut_off = changelog.total > shown;
    let own = names.is_none().then(|| ids_by_name(&issue.names));
    let history = changes(changelog.histories, names.or(own.as_ref()));
    let record = SourceRecord {
        system: system.into(),
        object: OBJECT.into(),
        id: issue.id.into_owned(),
        version: version(updated, &history),
        at,
        raw: text.into(),
        content: Content::Fields { history },
    };
    Ok(Read { record, cut_off, shown, shows_history })
}

/// What Jira's issues are called in records and hints.
pub(crate) const OBJECT: &str = "issue";

/// Not every change moves an issue's update by a whole millisecond: its newest change belongs to the version.
fn version(updated: &str, history: &[Change]) -> String {
    format!("{updated} {}", history.last().map_or("", |change| change.id.as_str()))
}

/// Fields by their names, as Data Center's histories call them.
pub(crate) fn ids_by_name(names: &BTreeMap<String, String>) -> Names {
    names.iter().map(|(id, name)| (name.to_lowercase(), id.clone())).collect()
}

/// Gives a record its whole history: what was embedded and what was asked for, each change once.
pub(crate) fn complete(record: &mut SourceRecord, histories: Vec<wire::History<'_>>) {
    let Content::Fields { history } = &mut record.content else { return };
    let whole = changes(histories, None);
    let known: std::collections::BTreeSet<String> = whole.iter().map(|change| change.id.clone()).collect();
    history.retain(|change| !known.contains(&change.id));
    history.extend(whole);
    sort(history);
    let updated = record.version.split(' ').next().unwrap_or_default();
    record.version = version(updated, history);
}

/// By time, then by the number of the history.
fn sort(history: &mut [Change]) {
    history.sort_by_key(|change| (change.at, change.id.parse::<u64>().unwrap_or(u64::MAX)));
}

/// Histories as changes, oldest first.
fn changes(histories: Vec<wire::History<'_>>, names: Option<&Names>) -> Vec<Change> {
    let mut changes = Vec::with_capacity(histories.len());
    for history in histories {
        let author = history.author.and_then(|author| {
            [author.email, author.account, author.name].into_iter().flatten().find(|name| !name.is_empty())
        });
        let by = author.map(Into::into).unwrap_or_else(String::new);
        for item in history.items {
            let field = match (item.field_id, names) {
                _ if item.field.eq_ignore_ascii_case("attachment") => ATTACHED.to_owned(),
                (Some(id), _) => id.into_owned(),
                (None, names) => {
                    let name = item.field.to_lowercase();
                    names.and_then(|names| names.get(&name).cloned()).unwrap_or(name)
                }
            };
            changes.push(Change {
                id: history.id.clone().into_owned(),
                at: history.created.0,
                by: by.clone(),
                field,
                from: item.from.map(Into::into),
                to: item.to.map(Into::into),
            });
        }
    }
    sort(&mut changes);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hides_an_address_is_known_by_the_account() {
        let text = |author: &str| {
            format!(
                r#"{{"id":"1","fields":{{"updated":"2026-03-02T09:00:00.000+0000"}},"changelog":{{"histories":[{{"id":"7",
                "created":"2026-03-02T09:00:00.000+0000","author":{author},"items":[{{"field":"status"}}]}}]}}}}"#
            )
        };
        for (author, by) in [
            (r#"{"emailAddress":"dana@customer.example","accountId":"5b10"}"#, "dana@customer.example"),
            (r#"{"emailAddress":"","accountId":"5b10"}"#, "5b10"),
            (r#"{"accountId":"5b10"}"#, "5b10"),
            (r#"{"emailAddress":"","name":"dana"}"#, "dana"),
        ] {
            let read = read("jira", &text(author)).unwrap();
            let Content::Fields { history } = read.record.content else { panic!("{author}") };
            assert_eq!(history[0].by, by, "{author}");
        }
    }
}
