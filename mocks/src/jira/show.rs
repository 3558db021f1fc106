//! How an issue looks from outside.

use super::fields::{self, STATUSES};
use super::state::State;
use crate::json::{Json, obj};

/// Which fields an answer shows.
pub(crate) struct Wanted {
    all: bool,
    named: Vec<String>,
    without: Vec<String>,
}

impl Wanted {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>, all: bool) -> Wanted {
        let mut wanted = Wanted { all, named: Vec::new(), without: Vec::new() };
        for name in names.map(str::trim).filter(|name| !name.is_empty()) {
            wanted.all = false;
            match name {
                "*all" | "*navigable" => wanted.named.push("*".to_string()),
                name => match name.strip_prefix('-') {
                    Some(without) => wanted.without.push(without.to_string()),
                    None => wanted.named.push(name.to_string()),
                },
            }
        }
        if wanted.named.is_empty() && !wanted.without.is_empty() {
            wanted.named.push("*".to_string());
        }
        wanted
    }

    pub(crate) fn none(&self) -> bool {
        !self.all && self.named.is_empty()
    }

    /// True if the field is asked for by name; some are not among all.
    fn names(&self, name: &str) -> bool {
        self.named.iter().any(|wanted| wanted == name)
    }

    fn has(&self, name: &str) -> bool {
        (self.all || self.named.iter().any(|wanted| wanted == name || wanted == "*"))
            && !self.without.iter().any(|without| without == name)
    }
}

impl State {
    /// Where links to REST resources of this version begin.
    pub(crate) fn rest(&self, api: &str) -> String {
        format!("{}/rest/api/{api}", self.caller.link)
    }

    fn shown_field(&self, issue: &Json, id: &str, kind: &str, api: &str) -> Json {
        let value = issue.get("fields").and_then(|fields| fields.get(id)).cloned().unwrap_or_default();
        let time = |name: &str| Json::from(self.stamp(issue.int(name)));
        let rest = self.rest(api);
        match (id, kind) {
            ("status", _) => fields::status(&value.text_of(), &self.caller.link, api),
            ("created" | "updated", _) => time(id),
            ("statuscategorychangedate", _) => time("moved"),
            ("resolutiondate", _) if !value.is_null() => {
                Json::from(self.stamp(value.text_of().parse().unwrap_or_default()))
            }
            ("resolution", _) if !value.is_null() => obj! {
                "self" => format!("{rest}/resolution/10000"), "id" => "10000",
                "description" => "Work has been completed on this issue.", "name" => "Done",
            },
            ("issuetype", _) => obj! {
                "self" => format!("{rest}/issuetype/10001"), "id" => "10001", "description" => "",
                "iconUrl" => format!("{}/images/icons/issuetypes/story.svg", self.base), "name" => "Milestone", "subtask" => false,
                "hierarchyLevel" => 0,
            },
            ("priority", _) => obj! {
                "self" => format!("{rest}/priority/3"), "iconUrl" => format!("{}/images/icons/priorities/medium.svg", self.base),
                "name" => "Medium", "id" => "3",
            },
            ("project", _) => self.project(&issue.text("project"), api),
            ("attachment", _) => Json::List(value.items().iter().map(|file| self.attachment(file, api)).collect()),
            (_, "user") => self.person(&value, api == "3"),
            (_, "versions") => {
                let version = |kept: &Json| self.version(&kept.text("id"), api).unwrap_or_default();
                Json::List(value.items().iter().map(version).filter(|version| !version.is_null()).collect())
            }
            // REST writes a double, webhooks the number as it is
            (_, "number") if !self.telling => as_double(value),
            (_, "textarea") if api == "3" && !value.is_null() => fields::adf(&value.text_of()),
            _ => value,
        }
    }

    pub(crate) fn project(&self, key: &str, api: &str) -> Json {
        let kept = self.store.get("projects", key);
        let text = |name: &str| kept.map(|kept| kept.text(name)).unwrap_or_default();
        let mut shown = obj! {
            "self" => format!("{}/project/{}", self.rest(api), text("id")), "id" => text("id"), "key" => key, "name" => text("name"),
            "projectTypeKey" => "software", "simplified" => false,
        };
        if text("status") == "archived" {
            shown.set("archived", true);
        }
        shown
    }

    pub(crate) fn shown(&self, issue: &Json, wanted: &Wanted, api: &str) -> Json {
        let id = issue.text("id");
        let mut shown = obj! {
            "expand" => "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations", "id" => &id,
            "self" => format!("{}/issue/{id}", self.rest(api)), "key" => issue.text("key"),
        };
        let mut values = Vec::new();
        for field in self.fields.iter().filter(|field| wanted.has(&field.id)) {
            values.push((field.id.clone(), self.shown_field(issue, &field.id, &field.kind, api)));
        }
        if api == "3" && wanted.has("statusCategory") {
            let status = issue.text("fields.status");
            let category = STATUSES.iter().find(|known| known.0 == status).map_or("new", |known| known.2);
            values.push(("statusCategory".to_string(), fields::category_of(category, &self.caller.link, api)));
        }
        if wanted.names("comment") {
            let comments: Vec<Json> =
                self.store.all(&format!("comments:{id}")).map(|(_, kept)| self.comment(kept, &id, api)).collect();
            let count = comments.len();
            let page = obj! {"comments" => comments, "self" => format!("{}/issue/{id}/comment", self.rest(api)), "maxResults" => count, "total" => count, "startAt" => 0};
            values.push(("comment".to_string(), page));
        }
        shown.set("fields", Json::Object(values));
        shown
    }

    /// A history; a Data Center tells no ids of fields.
    pub(crate) fn history(&self, kept: &Json) -> Json {
        let author = self.person(kept.get("author").unwrap_or(&Json::Null), true);
        let mut shown = kept.clone().with("author", author).with("created", self.stamp(kept.int("created")));
        if self.is_server() {
            shown.set("items", without_ids(kept.list("items")));
        }
        shown
    }

    /// The newest histories that fit into an issue, newest first. A read of many tells as their number those of its page.
    pub(crate) fn embedded(&self, issue: &Json, most: usize, of_many: bool) -> Json {
        let all = issue.list("histories");
        let shown: Vec<Json> = all.iter().rev().take(most).map(|kept| self.history(kept)).collect();
        let total = if of_many { shown.len() } else { all.len() };
        obj! {"startAt" => 0, "maxResults" => shown.len(), "total" => total, "histories" => shown}
    }

    pub(crate) fn comment(&self, kept: &Json, issue: &str, api: &str) -> Json {
        let id = kept.text("id");
        let author = self.person(kept.get("author").unwrap_or(&Json::Null), true);
        let body = kept.get("body").cloned().unwrap_or_default();
        let (made, changed) =
            (self.stamp(kept.int("created")), self.stamp(kept.int("updated").max(kept.int("created"))));
        let mut shown = obj! {
            "self" => format!("{}/issue/{issue}/comment/{id}", self.rest(api)), "id" => &id, "author" => &author,
            "body" => if api == "3" { body } else { Json::from(fields::plain(&body)) }, "updateAuthor" => &author,
            "created" => made, "updated" => changed, "jsdPublic" => true,
        };
        for name in ["visibility", "properties"] {
            if let Some(value) = kept.get(name) {
                shown.set(name, value);
            }
        }
        shown
    }

    /// Fields that a transition into a status demands.
    pub(crate) fn demanded(&self, status: &str) -> impl Iterator<Item = &str> {
        let places = self.settings.transitions_demand.iter().filter_map(|place| place.rsplit_once(':'));
        places.filter(move |(into, _)| *into == status).map(|(_, field)| field)
    }

    pub(crate) fn transitions(&self, api: &str, only: Option<&str>) -> Json {
        let field =
            |name: &str| (name.to_string(), obj! {"required" => true, "name" => name, "hasDefaultValue" => false});
        let row = |known: &(&str, &str, &str, &str)| {
            obj! {
                "fields" => Json::Object(self.demanded(known.1).map(field).collect()), "id" => known.3, "name" => known.1, "to" => fields::status(known.0, &self.caller.link, api), "hasScreen" => false,
                "isGlobal" => true, "isInitial" => false, "isAvailable" => true, "isConditional" => false, "isLooped" => false,
            }
        };
        let rows = STATUSES.iter().filter(|known| only.is_none_or(|only| only == known.3)).map(row);
        obj! {"expand" => "transitions", "transitions" => Json::List(rows.collect())}
    }
}

/// `12` as `12.0`.
fn as_double(value: Json) -> Json {
    match value {
        Json::Number(digits) if !digits.contains(['.', 'e', 'E']) => Json::Number(format!("{digits}.0")),
        other => other,
    }
}

/// Items of a history without `fieldId`.
pub(crate) fn without_ids(items: &[Json]) -> Json {
    let bare = |item: &Json| {
        let mut item = item.clone();
        item.remove("fieldId");
        item
    };
    Json::List(items.iter().map(bare).collect())
}

impl Json {
    /// The text of the value itself.
    pub(crate) fn text_of(&self) -> String {
        self.scalar().unwrap_or_default()
    }
}
