//! Records by the thousand: one template stands for consecutive ids and is expanded when one of them is read, so that a
//! million of them cost as much memory as one.

use jiff::Timestamp;

use crate::json::{Json, obj};
use crate::lot::LotSpec;

/// Consecutive records of one kind. `{n}` in a text of the template is the place in the series, counted from 1, `{id}` the
/// id, `{time}` the record's own time.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) kind: String,
    pub(crate) first: i64,
    pub(crate) count: i64,
    /// Time of the first record, in milliseconds.
    pub(crate) start: i64,
    /// Milliseconds from one time to the next.
    pub(crate) step: i64,
    /// How many in a row share a time.
    pub(crate) tied: i64,
    pub(crate) template: Json,
}

impl Series {
    /// A series as long as a lot, without its template and its first id.
    pub(crate) fn of(kind: &str, lot: &LotSpec) -> Series {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Series {
            kind: kind.to_string(),
            first: 0,
            count: whole(lot.count.clamp(1, 100_000_000)),
            start: lot.from.as_millisecond(),
            step: lot.step_ms,
            tied: whole(lot.tied.max(1)),
            template: Json::Null,
        }
    }

    pub(crate) fn kept(&self) -> Json {
        obj! {
            "kind" => &self.kind, "first" => self.first, "count" => self.count, "start" => self.start, "step" => self.step,
            "tied" => self.tied, "template" => &self.template,
        }
    }

    pub(crate) fn restored(kept: &Json) -> Series {
        Series {
            kind: kept.text("kind"),
            first: kept.int("first"),
            count: kept.int("count"),
            start: kept.int("start"),
            step: kept.int("step"),
            tied: kept.int("tied").max(1),
            template: kept.get("template").cloned().unwrap_or_default(),
        }
    }

    pub(crate) fn ids(&self) -> std::ops::Range<i64> {
        self.first..self.first + self.count
    }

    pub(crate) fn time(&self, id: i64) -> Timestamp {
        let ms = self.start + self.step * ((id - self.first) / self.tied.max(1));
        Timestamp::from_millisecond(ms).unwrap_or_default()
    }

    /// The record of this id, if it belongs to the series; `show` writes its time.
    pub(crate) fn get(&self, kind: &str, id: &str, show: impl Fn(Timestamp) -> String) -> Option<Json> {
        let id: i64 = id.parse().ok()?;
        (self.kind == kind && self.ids().contains(&id)).then(|| {
            let time = show(self.time(id));
            let (place, id) = ((id - self.first + 1).to_string(), id.to_string());
            expand(&self.template, &|text| text.replace("{n}", &place).replace("{id}", &id).replace("{time}", &time))
        })
    }

    /// The id of the record whose `field` has this value, for a template whose field holds one placeholder.
    pub(crate) fn find(&self, field: &str, value: &str) -> Option<i64> {
        let pattern = self.template.text(field);
        let (mark, base) = if pattern.contains("{n}") { ("{n}", self.first - 1) } else { ("{id}", 0) };
        let (before, after) = pattern.split_once(mark)?;
        let digits = value.strip_prefix(before)?.strip_suffix(after)?;
        let id = base + digits.parse::<i64>().ok()?;
        self.ids().contains(&id).then_some(id)
    }
}

fn expand(template: &Json, fill: &dyn Fn(&str) -> String) -> Json {
    match template {
        Json::Text(text) if text.contains('{') => Json::Text(fill(text)),
        Json::List(items) => Json::List(items.iter().map(|item| expand(item, fill)).collect()),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), expand(value, fill))).collect())
        }
        other => other.clone(),
    }
}
