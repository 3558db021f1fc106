//! The fields and the workflow of the simulated site, and how values of each kind are taken in and shown.

use crate::json::{Json, list, obj};

/// A field of an issue.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `text`, `textarea`, `number`, `select`, `multiselect`, `url`, `labels`, `user`, `date`, `datetime`, `versions`,
    /// `system`
    pub(crate) kind: String,
}

impl Field {
    pub(crate) fn new(id: &str, name: &str, kind: &str) -> Field {
        Field { id: id.to_string(), name: name.to_string(), kind: kind.to_string() }
    }

    /// The number of a custom field.
    pub(crate) fn number(&self) -> Option<&str> {
        self.id.strip_prefix("customfield_")
    }
}

/// The fields that the site has from the start.
pub(crate) fn standard() -> Vec<Field> {
    FIELDS.iter().map(|(id, name, kind)| Field::new(id, name, kind)).collect()
}

const FIELDS: &[(&str, &str, &str)] = &[
    ("summary", "Summary", "text"),
    ("description", "Description", "textarea"),
    ("labels", "Labels", "labels"),
    ("assignee", "Assignee", "user"),
    ("reporter", "Reporter", "user"),
    ("duedate", "Due date", "date"),
    ("status", "Status", "system"),
    ("resolution", "Resolution", "system"),
    ("resolutiondate", "Resolved", "datetime"),
    ("created", "Created", "datetime"),
    ("updated", "Updated", "datetime"),
    ("statuscategorychangedate", "Status Category Changed", "datetime"),
    ("fixVersions", "Fix versions", "versions"),
    ("issuetype", "Issue Type", "system"),
    ("project", "Project", "system"),
    ("attachment", "Attachment", "system"),
    ("priority", "Priority", "system"),
    ("customfield_10101", "Contract", "text"),
    ("customfield_10102", "Milestone", "text"),
    ("customfield_10103", "Amount", "number"),
    ("customfield_10104", "Evidence", "multiselect"),
    ("customfield_10105", "Acceptance document", "url"),
    ("customfield_10106", "Approver role", "select"),
    ("customfield_10107", "Accepted portion", "number"),
    ("customfield_10108", "Unmet criteria", "textarea"),
    ("customfield_10109", "Acceptance window days", "number"),
    ("customfield_10110", "Deemed acceptance", "select"),
    ("customfield_10111", "Completion rule", "select"),
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

/// A field by id, name, or `cf[10101]`.
pub(crate) fn by_clause<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    let custom = name.strip_prefix("cf[").and_then(|rest| rest.strip_suffix(']')).map(|n| format!("customfield_{n}"));
    let name = custom.unwrap_or_else(|| name.to_string());
    let name = if name.eq_ignore_ascii_case("fixVersion") { "fixVersions".to_string() } else { name };
    fields.iter().find(|field| field.id.eq_ignore_ascii_case(&name) || field.name.eq_ignore_ascii_case(&name))
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

/// The schema of a field.
pub(crate) fn schema(field: &Field) -> Json {
    let (kind, plugin) = match field.kind.as_str() {
        "number" => ("number", "float"),
        "select" => ("option", "select"),
        "multiselect" => ("array", "multiselect"),
        "labels" => ("array", "labels"),
        "versions" => ("array", "multiversion"),
        "textarea" => ("string", "textarea"),
        "url" => ("string", "url"),
        "user" => ("user", "userpicker"),
        "date" => ("date", "datepicker"),
        "datetime" => ("datetime", "datetime"),
        "system" => (field.id.as_str(), ""),
        _ => ("string", "textfield"),
    };
    let mut schema = obj! {"type" => kind};
    if kind == "array" {
        let items = match field.kind.as_str() {
            "labels" => "string",
            "versions" => "version",
            _ => "option",
        };
        schema.set("items", items);
    }
    match field.number().and_then(|number| number.parse::<i64>().ok()) {
        Some(number) => {
            schema.set("custom", format!("com.atlassian.jira.plugin.system.customfieldtypes:{plugin}"));
            schema.set("customId", number);
        }
        None => schema.set("system", &field.id),
    }
    schema
}

/// The list of fields as the site describes it.
pub(crate) fn describe(fields: &[Field]) -> Json {
    let row = |field: &Field| {
        let clauses = match (field.number(), field.id.as_str()) {
            (Some(number), _) => list![format!("cf[{number}]"), &field.name],
            (None, "issuetype") => list!["issuetype", "type", "worktype"],
            (None, "project") => list!["project", "spaceJira"],
            (None, "fixVersions") => list!["fixVersion"],
            (None, id) => list![id],
        };
        obj! {
            "id" => &field.id, "key" => &field.id, "name" => &field.name, "custom" => field.number().is_some(),
            "orderable" => true, "navigable" => true, "searchable" => true, "clauseNames" => clauses, "schema" => schema(field),
        }
    };
    Json::List(fields.iter().map(row).collect())
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

/// The name of an option or a version.
fn called(item: &Json) -> String {
    if item.has("value") { item.text("value") } else { item.text("name") }
}

/// The text by which the changelog calls a value.
pub(crate) fn display(field: &Field, value: &Json) -> Option<String> {
    let joined = |sign: &str| {
        let names: Vec<String> =
            value.items().iter().map(|item| item.scalar().unwrap_or_else(|| called(item))).collect();
        if names.is_empty() { None } else { Some(names.join(sign)) }
    };
    match field.kind.as_str() {
        "labels" => joined(" "),
        "multiselect" | "versions" => joined(","),
        "select" => value.get("value").and_then(Json::scalar),
        "user" => value.get("displayName").and_then(Json::scalar),
        "number" => value.number().map(|number| number.normalize().to_string()),
        _ => value.scalar(),
    }
}

/// The id by which the changelog calls a value, for kinds that have one.
pub(crate) fn reference(field: &Field, value: &Json) -> Option<String> {
    match field.kind.as_str() {
        "select" => value.get("id").and_then(Json::scalar),
        "user" => value.get("accountId").and_then(Json::scalar),
        "date" => value.scalar(),
        "versions" => value.items().first().map(|item| item.text("id")),
        "multiselect" if !value.items().is_empty() => {
            let ids: Vec<String> = value.items().iter().map(|item| item.text("id")).collect();
            Some(format!("[{}]", ids.join(", ")))
        }
        _ => None,
    }
}
