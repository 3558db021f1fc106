//! The fields and the workflow of the simulated site, and how values of each kind are taken in and shown.

use crate::json::{Json, list, obj};

/// A field of an issue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// `text`, `textarea`, `number`, `select`, `multiselect`, `url`, `labels`, `user`, `date`, `datetime`, `system`
    pub(crate) kind: &'static str,
}

const fn field(id: &'static str, name: &'static str, kind: &'static str) -> Field {
    Field { id, name, kind }
}

pub(crate) const FIELDS: &[Field] = &[
    field("summary", "Summary", "text"),
    field("description", "Description", "textarea"),
    field("labels", "Labels", "labels"),
    field("assignee", "Assignee", "user"),
    field("reporter", "Reporter", "user"),
    field("duedate", "Due date", "date"),
    field("status", "Status", "system"),
    field("resolution", "Resolution", "system"),
    field("resolutiondate", "Resolved", "datetime"),
    field("created", "Created", "datetime"),
    field("updated", "Updated", "datetime"),
    field("statuscategorychangedate", "Status Category Changed", "datetime"),
    field("issuetype", "Issue Type", "system"),
    field("project", "Project", "system"),
    field("attachment", "Attachment", "system"),
    field("priority", "Priority", "system"),
    field("customfield_10101", "Contract", "text"),
    field("customfield_10102", "Milestone", "text"),
    field("customfield_10103", "Amount", "number"),
    field("customfield_10104", "Evidence", "multiselect"),
    field("customfield_10105", "Acceptance document", "url"),
    field("customfield_10106", "Approver role", "select"),
    field("customfield_10107", "Accepted portion", "number"),
    field("customfield_10108", "Unmet criteria", "textarea"),
    field("customfield_10109", "Acceptance window days", "number"),
    field("customfield_10110", "Deemed acceptance", "select"),
    field("customfield_10111", "Completion rule", "select"),
];

/// `(id, name, category, transition id)`
pub(crate) const STATUSES: &[(&str, &str, &str, &str)] = &[
    ("10000", "To Do", "new", "11"),
    ("3", "In Progress", "indeterminate", "21"),
    ("10001", "Ready for acceptance", "indeterminate", "31"),
    ("10002", "Rejected", "indeterminate", "41"),
    ("10003", "Accepted", "done", "51"),
    ("10004", "Done", "done", "61"),
];

pub(crate) fn by_id(id: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.id == id)
}

/// A field by id, name, or `cf[10101]`.
pub(crate) fn by_clause(name: &str) -> Option<&'static Field> {
    let custom = name.strip_prefix("cf[").and_then(|rest| rest.strip_suffix(']')).map(|n| format!("customfield_{n}"));
    let name = custom.unwrap_or_else(|| name.to_string());
    FIELDS.iter().find(|field| field.id.eq_ignore_ascii_case(&name) || field.name.eq_ignore_ascii_case(&name))
}

pub(crate) fn status(id: &str, base: &str, api: &str) -> Json {
    let (id, name, category, _) = STATUSES.iter().find(|status| status.0 == id).unwrap_or(&STATUSES[0]);
    obj! {
        "self" => format!("{base}/rest/api/{api}/status/{id}"), "description" => "", "iconUrl" => format!("{base}/"),
        "name" => *name, "id" => *id, "statusCategory" => category_of(category, base, api),
    }
}

pub(crate) fn category_of(key: &str, base: &str, api: &str) -> Json {
    let (id, name, color) = match key {
        "new" => (2, "To Do", "blue-gray"),
        "done" => (3, "Done", "green"),
        _ => (4, "In Progress", "yellow"),
    };
    obj! {
        "self" => format!("{base}/rest/api/{api}/statuscategory/{id}"), "id" => id, "key" => key, "colorName" => color,
        "name" => name,
    }
}

/// The list of fields as the site describes it.
pub(crate) fn describe() -> Json {
    let row = |field: &Field| {
        let number = field.id.strip_prefix("customfield_");
        let mut clauses = list![field.name];
        if let Some(number) = number {
            clauses = list![format!("cf[{number}]"), field.name];
        }
        let (kind, plugin) = match field.kind {
            "number" => ("number", "float"),
            "select" => ("option", "select"),
            "multiselect" => ("array", "multiselect"),
            "labels" => ("array", "labels"),
            "textarea" => ("string", "textarea"),
            "url" => ("string", "url"),
            "user" => ("user", "userpicker"),
            "date" => ("date", "datepicker"),
            "datetime" => ("datetime", "datetime"),
            "system" => (field.id, ""),
            _ => ("string", "textfield"),
        };
        let mut schema = obj! {"type" => kind};
        if kind == "array" {
            schema.set("items", if field.kind == "labels" { "string" } else { "option" });
        }
        match number.and_then(|number| number.parse::<i64>().ok()) {
            Some(number) => {
                schema.set("custom", format!("com.atlassian.jira.plugin.system.customfieldtypes:{plugin}"));
                schema.set("customId", number);
            }
            None => schema.set("system", field.id),
        }
        obj! {
            "id" => field.id, "key" => field.id, "name" => field.name, "custom" => number.is_some(), "orderable" => true,
            "navigable" => true, "searchable" => true, "clauseNames" => clauses, "schema" => schema,
        }
    };
    Json::List(FIELDS.iter().map(row).collect())
}

/// The lines of a rich text document.
pub(crate) fn plain(adf: &Json) -> String {
    fn walk(node: &Json, out: &mut String) {
        match node.text("type").as_str() {
            "text" => out.push_str(&node.text("text")),
            "hardBreak" => out.push('\n'),
            _ => node.list("content").iter().for_each(|child| walk(child, out)),
        }
        if matches!(node.text("type").as_str(), "paragraph" | "heading" | "codeBlock") {
            out.push('\n');
        }
    }
    let mut out = String::new();
    walk(adf, &mut out);
    out.trim_end_matches('\n').to_string()
}

/// A rich text document with one paragraph a line.
pub(crate) fn adf(text: &str) -> Json {
    let paragraph = |line: &str| {
        let content = if line.is_empty() { list![] } else { list![obj! {"type" => "text", "text" => line}] };
        obj! {"type" => "paragraph", "content" => content}
    };
    obj! {"type" => "doc", "version" => 1, "content" => Json::List(text.lines().map(paragraph).collect())}
}

/// The text by which the changelog calls a value.
pub(crate) fn display(field: &Field, value: &Json) -> Option<String> {
    let joined = |sign: &str| {
        let names: Vec<String> =
            value.items().iter().map(|item| item.scalar().unwrap_or_else(|| item.text("value"))).collect();
        if names.is_empty() { None } else { Some(names.join(sign)) }
    };
    match field.kind {
        "labels" => joined(" "),
        "multiselect" => joined(","),
        "select" => value.get("value").and_then(Json::scalar),
        "user" => value.get("displayName").and_then(Json::scalar),
        "number" => value.number().map(|number| number.normalize().to_string()),
        _ => value.scalar(),
    }
}

/// The id by which the changelog calls a value, for kinds that have one.
pub(crate) fn reference(field: &Field, value: &Json) -> Option<String> {
    match field.kind {
        "select" => value.get("id").and_then(Json::scalar),
        "user" => value.get("accountId").and_then(Json::scalar),
        "date" => value.scalar(),
        "multiselect" if !value.items().is_empty() => {
            let ids: Vec<String> = value.items().iter().map(|item| item.text("id")).collect();
            Some(format!("[{}]", ids.join(", ")))
        }
        _ => None,
    }
}
