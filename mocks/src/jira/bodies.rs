//! What requests may say: names and types that are in no table of the vendor are refused, as the vendor does.

use std::sync::LazyLock;

use super::search::problem_payload;
use super::state::problem;
use crate::call::{Call, Reply};
use crate::json::Json;
use crate::properties::{Kept, Properties};

static TABLES: LazyLock<Properties> = LazyLock::new(|| Properties::read(include_str!("../../data/jira.txt")));

/// The table of a request, by its path below the version of the API.
fn table(rest: &[&str]) -> Option<&'static str> {
    Some(match rest {
        ["search", "jql"] => "search/jql",
        ["search"] => "search",
        ["issue", "bulkfetch"] => "issue/bulkfetch",
        ["changelog", "bulkfetch"] => "changelog/bulkfetch",
        ["jql", "parse"] => "jql/parse",
        ["webhook", "refresh"] => "webhook/refresh",
        ["issue", _, "remotelink"] => "issue/remotelink",
        ["issue", _, "transitions"] => "issue/transitions",
        _ => return None,
    })
}

/// Refuses a body that says what no table knows.
pub(super) fn check(call: &Call, rest: &[&str], server: bool, kept: &Kept) -> Result<(), Reply> {
    let known = table(rest).filter(|table| server == (*table == "search") || table.starts_with("issue/"));
    let Some(table) = known.filter(|_| matches!(call.method.as_str(), "POST" | "PUT")) else { return Ok(()) };
    let Ok(body) = call.json() else { return Ok(()) };
    match unknown((&TABLES, kept), &body, table) {
        None => Ok(()),
        // A Data Center says what it was.
        Some(name) if table == "search" => {
            Err(problem(400, &format!("Unrecognized field or type \"{name}\" (class SearchRequestBean)")))
        }
        Some(_) => Err(problem_payload()),
    }
}

/// The first name of a body that its table lacks, or whose value is of another type.
fn unknown((tables, kept): (&Properties, &Kept), body: &Json, table: &str) -> Option<String> {
    body.members().iter().find_map(|(name, value)| {
        let Some(property) = tables.find(table, name).filter(|_| kept.has(table, name)) else {
            return Some(name.clone());
        };
        let is_text = |value: &Json| value.as_str().is_some();
        let is_number = |value: &Json| matches!(value, Json::Number(_));
        let all = |is: &dyn Fn(&Json) -> bool| matches!(value, Json::List(items) if items.iter().all(is));
        let fits = match property.of {
            // A null is a property that was left out; what is required is missed where it is read.
            _ if matches!(value, Json::Null) => true,
            "text" => is_text(value),
            "number" => is_number(value),
            "boolean" => matches!(value, Json::Bool(_)),
            "texts" => all(&is_text),
            "numbers" => all(&is_number),
            "part" => return unknown((tables, kept), value, &format!("{table}.{name}")),
            _ => true,
        };
        (!fits).then(|| name.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(tables: &str, body: &str) -> Option<String> {
        let tables = Properties::read(tables.to_owned().leak());
        unknown((&tables, &Kept::default()), &Json::parse(body).unwrap(), "search/jql")
    }

    #[test]
    fn what_a_table_lacks_or_has_otherwise_is_refused() {
        let table = include_str!("../../data/jira.txt");
        let body = r#"{"jql":"updated >= 1","fields":["id"],"maxResults":5000}"#;
        assert_eq!(refused(table, body), None);
        assert_eq!(refused(&table.replace("text: expand jql", "text: expand"), body).as_deref(), Some("jql"));
        assert_eq!(refused(table, r#"{"jql":"a","startAt":0}"#).as_deref(), Some("startAt"));
        assert_eq!(refused(table, r#"{"jql":"a","maxResults":"50"}"#).as_deref(), Some("maxResults"));
    }
}
