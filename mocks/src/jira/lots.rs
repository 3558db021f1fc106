//! Issues by the million: a lot is a pattern and a count, and an issue of it is made when somebody looks at it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::state::State;
use crate::json::{Json, obj};

/// A pattern of issues.
pub(crate) struct Lot {
    /// Number of the first issue.
    first: u64,
    project: String,
    /// Number in the first key.
    first_key: u64,
    pub(crate) count: u64,
    from: i64,
    step_ms: i64,
    tied: u64,
    /// An issue as it is kept; `{n}` in its text fields stands for the number.
    pattern: Json,
}

impl Lot {
    pub(crate) fn new(kept: &Json) -> Lot {
        Lot {
            first: kept.int("first").unsigned_abs(),
            project: kept.text("project"),
            first_key: kept.int("first_key").unsigned_abs(),
            count: kept.int("count").unsigned_abs(),
            from: kept.int("from"),
            step_ms: kept.int("step_ms"),
            tied: kept.int("tied").unsigned_abs().max(1),
            pattern: kept.get("pattern").cloned().unwrap_or_default(),
        }
    }

    /// The issue of the lot, counted from one, by its number or key.
    fn number(&self, id_or_key: &str) -> Option<u64> {
        let (first, text) = match id_or_key.rsplit_once('-') {
            Some((project, number)) if project.eq_ignore_ascii_case(&self.project) => (self.first_key, number),
            Some(_) => return None,
            None => (self.first, id_or_key),
        };
        let n = text.parse::<u64>().ok()?.checked_sub(first)? + 1;
        (n <= self.count).then_some(n)
    }

    fn at(&self, n: u64) -> i64 {
        self.from + i64::try_from((n - 1) / self.tied).unwrap_or(i64::MAX).saturating_mul(self.step_ms)
    }

    pub(crate) fn id(&self, n: u64) -> u64 {
        self.first + n - 1
    }

    fn range(&self, range: &RangeInclusive<i64>) -> std::ops::Range<u64> {
        // times never fall, so both ends are found by halving
        let first = |beyond: &dyn Fn(i64) -> bool| {
            let (mut low, mut high) = (1, self.count + 1);
            while low < high {
                let middle = low + (high - low) / 2;
                if beyond(self.at(middle)) { high = middle } else { low = middle + 1 }
            }
            low
        };
        first(&|at| at >= *range.start())..first(&|at| at > *range.end())
    }

    fn issue(&self, n: u64) -> Json {
        self.made_from(&self.pattern, n)
    }

    /// The pattern with no fields but these, and without histories.
    fn slim(&self, fields: &BTreeSet<String>) -> Json {
        let all = self.pattern.get("fields").map_or(&[][..], Json::members);
        let fields = all.iter().filter(|(name, _)| fields.contains(name)).cloned().collect();
        let mut slim = obj! {"fields" => Json::Object(fields)};
        for name in ["id", "key", "project", "created", "updated", "moved"] {
            slim.set(name, self.pattern.get(name).cloned().unwrap_or_default());
        }
        slim
    }

    fn made_from(&self, pattern: &Json, n: u64) -> Json {
        let at = self.at(n);
        let mut issue = pattern.clone();
        issue.set("id", self.id(n).to_string());
        issue.set("key", format!("{}-{}", self.project, self.first_key + n - 1));
        for name in ["created", "updated", "moved"] {
            issue.set(name, at);
        }
        let number = n.to_string();
        if let Some(fields) = issue.get_mut("fields") {
            fields.each_mut(|value| {
                if let Json::Text(text) = value
                    && text.contains("{n}")
                {
                    *text = text.replace("{n}", &number);
                }
            });
        }
        if let Some(Json::List(histories)) = issue.get_mut("histories") {
            for (offset, history) in (0_u64..).zip(histories) {
                history.set("created", at);
                history.set("id", (1_000_000_000 + self.id(n) * 10 + offset).to_string());
            }
        }
        issue
    }
}

type Timed<'a> = Box<dyn Iterator<Item = (i64, Cow<'a, Json>)> + 'a>;

impl State {
    /// The number of an issue of a lot, by number or first key, whatever became of it.
    pub(crate) fn made_id(&self, id_or_key: &str) -> Option<String> {
        self.lots.iter().find_map(|lot| lot.number(id_or_key).map(|n| lot.id(n).to_string()))
    }

    /// The issue of a lot, unless it is kept because it was changed.
    pub(crate) fn made(&self, id_or_key: &str) -> Option<Json> {
        self.lots.iter().find_map(|lot| {
            let n = lot.number(id_or_key)?;
            self.store.get("issues", &lot.id(n).to_string()).is_none().then(|| lot.issue(n))
        })
    }

    /// The issue of this number, kept or made.
    pub(crate) fn by_number(&self, id: &str) -> Option<Cow<'_, Json>> {
        match self.store.get("issues", id) {
            // a deleted issue of a lot leaves an empty place
            Some(issue) => issue.has("id").then_some(Cow::Borrowed(issue)),
            None => self.made(id).map(Cow::Owned),
        }
    }

    /// Issues whose change lies in a range of epoch milliseconds, in the order of their changes.
    pub(crate) fn by_change<'a>(&'a self, range: RangeInclusive<i64>) -> impl Iterator<Item = Cow<'a, Json>> + use<'a> {
        self.ways(range, |lot| lot.pattern.clone())
    }

    /// The same; issues of lots have no fields but these, and no histories.
    pub(crate) fn by_change_in_part<'a>(
        &'a self,
        range: RangeInclusive<i64>,
        fields: &BTreeSet<String>,
    ) -> impl Iterator<Item = Cow<'a, Json>> + use<'a> {
        self.ways(range, |lot| lot.slim(fields))
    }

    fn ways<'a>(
        &'a self,
        range: RangeInclusive<i64>,
        pattern: impl Fn(&Lot) -> Json,
    ) -> Box<dyn Iterator<Item = Cow<'a, Json>> + 'a> {
        let kept = self.store.ordered("issues", range.clone()).filter_map(|(at, id)| {
            let issue = self.store.get("issues", id).filter(|issue| issue.has("id"))?;
            Some((at, Cow::Borrowed(issue)))
        });
        let mut ways: Vec<std::iter::Peekable<Timed<'a>>> = vec![(Box::new(kept) as Timed<'a>).peekable()];
        for lot in &self.lots {
            let free = move |n: &u64| self.store.get("issues", &lot.id(*n).to_string()).is_none();
            let pattern = pattern(lot);
            let rows = lot.range(&range).filter(free);
            let rows = rows.map(move |n| (lot.at(n), Cow::Owned(lot.made_from(&pattern, n))));
            ways.push((Box::new(rows) as Timed<'a>).peekable());
        }
        Box::new(std::iter::from_fn(move || {
            let heads = ways.iter_mut().enumerate().filter_map(|(way, rows)| rows.peek().map(|(at, _)| (*at, way)));
            let (_, way) = heads.min()?;
            ways.get_mut(way)?.next().map(|(_, issue)| issue)
        }))
    }
}
