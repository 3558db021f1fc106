//! Records by the million: a lot is a pattern and a count, and a record of it is made when somebody looks at it. Once it is
//! changed it is kept like any other, in the place of the pattern.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::state::{State, collection, full_id, stamp};
use crate::json::Json;

enum Part {
    Fixed(Json),
    /// Text around the number; a number where the field is one.
    Numbered(String, String, bool),
}

/// A pattern of records.
pub(crate) struct Lot {
    pub(crate) object: String,
    prefix: String,
    /// Serial of the first id.
    first: u64,
    pub(crate) count: u64,
    /// Epoch seconds of the first stamp.
    from: i64,
    /// Milliseconds from one stamp to the next.
    step_ms: i64,
    /// How many records share a stamp.
    tied: u64,
    parts: Vec<(String, Part)>,
}

impl Lot {
    /// Reads a lot as it is kept.
    pub(crate) fn new(kept: &Json) -> Lot {
        let part = |(name, value): &(String, Json)| {
            let marked = value.as_str().and_then(|text| text.split_once("{n}"));
            let part = match marked {
                Some((before, after)) => {
                    let number = kept.list("numbers").iter().any(|known| known.as_str() == Some(name));
                    Part::Numbered(before.to_string(), after.to_string(), number)
                }
                None => Part::Fixed(value.clone()),
            };
            (name.clone(), part)
        };
        Lot {
            object: kept.text("object"),
            prefix: kept.text("prefix"),
            first: kept.int("first").unsigned_abs(),
            count: kept.int("count").unsigned_abs(),
            from: kept.int("from"),
            step_ms: kept.int("step_ms"),
            tied: kept.int("tied").unsigned_abs().max(1),
            parts: kept.get("fields").map_or(&[][..], Json::members).iter().map(part).collect(),
        }
    }

    /// The record `n` of the lot, counted from one, by its id.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        let serial: u64 = id.get(..15)?.strip_prefix(self.prefix.as_str())?.parse().ok()?;
        let n = serial.checked_sub(self.first)? + 1;
        (n <= self.count).then_some(n)
    }

    pub(crate) fn id(&self, n: u64) -> String {
        full_id(&format!("{}{:012}", self.prefix, self.first + n - 1))
    }

    fn at(&self, n: u64) -> i64 {
        let steps = i64::try_from((n - 1) / self.tied).unwrap_or(i64::MAX);
        self.from + steps.saturating_mul(self.step_ms) / 1000
    }

    fn stamp(&self, n: u64) -> Json {
        Json::from(stamp(Timestamp::from_second(self.at(n)).unwrap_or_default()))
    }

    /// The records whose stamp is in a range of epoch seconds.
    fn range(&self, range: &RangeInclusive<i64>) -> std::ops::Range<u64> {
        // stamps never fall, so both ends are found by halving
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

    pub(crate) fn value(&self, n: u64, name: &str) -> Cow<'_, Json> {
        match name {
            "Id" => return Cow::Owned(Json::from(self.id(n))),
            "CreatedDate" | "LastModifiedDate" | "SystemModstamp" | "LastStageChangeDate" => {
                return Cow::Owned(self.stamp(n));
            }
            _ => {}
        }
        match self.parts.iter().find(|(known, _)| known == name) {
            Some((_, Part::Fixed(value))) => Cow::Borrowed(value),
            Some((_, Part::Numbered(before, after, number))) => {
                let text = format!("{before}{n}{after}");
                Cow::Owned(if *number { Json::Number(text) } else { Json::Text(text) })
            }
            None => Cow::Owned(Json::Null),
        }
    }

    fn whole(&self, n: u64) -> Json {
        let mut record = Json::object();
        for (name, _) in &self.parts {
            record.set(name, self.value(n, name).into_owned());
        }
        for name in ["Id", "CreatedDate", "LastModifiedDate", "SystemModstamp"] {
            record.set(name, self.value(n, name).into_owned());
        }
        record
    }

    /// The record whose text field has this value, whatever its case.
    fn having(&self, field: &str, value: &str) -> Option<u64> {
        match self.parts.iter().find(|(name, _)| name == field)? {
            (_, Part::Numbered(before, after, _)) => {
                let value = value.to_lowercase();
                let inner = value.strip_prefix(&before.to_lowercase())?.strip_suffix(&after.to_lowercase())?;
                let n = inner.parse::<u64>().ok().filter(|n| inner == n.to_string())?;
                (1..=self.count).contains(&n).then_some(n)
            }
            _ => None,
        }
    }
}

/// A record, kept or made from a lot.
#[derive(Clone, Copy)]
pub(crate) enum Row<'a> {
    Kept(&'a Json),
    Made(&'a Lot, u64),
}

impl<'a> Row<'a> {
    pub(crate) fn get(self, name: &str) -> Cow<'a, Json> {
        match self {
            Row::Kept(record) => record.get(name).map_or(Cow::Owned(Json::Null), Cow::Borrowed),
            Row::Made(lot, n) => lot.value(n, name),
        }
    }

    pub(crate) fn text(self, name: &str) -> String {
        self.get(name).scalar().unwrap_or_default()
    }

    pub(crate) fn id(self) -> String {
        match self {
            Row::Kept(record) => record.text("Id"),
            Row::Made(lot, n) => lot.id(n),
        }
    }

    pub(crate) fn is_deleted(self) -> bool {
        match self {
            Row::Kept(record) => record.get("IsDeleted").is_some_and(Json::is_true),
            Row::Made(..) => false,
        }
    }

    pub(crate) fn whole(self) -> Cow<'a, Json> {
        match self {
            Row::Kept(record) => Cow::Borrowed(record),
            Row::Made(lot, n) => Cow::Owned(lot.whole(n)),
        }
    }
}

type Stamped<'a> = Box<dyn Iterator<Item = (i64, String, Row<'a>)> + 'a>;

impl State {
    /// A record by id, deleted ones too.
    pub(crate) fn row(&self, object: &str, id: &str) -> Option<Row<'_>> {
        let id = full_id(id);
        match self.store.get(&collection(object), &id) {
            // purged records leave an empty place that hides the lot's
            Some(record) => record.has("Id").then_some(Row::Kept(record)),
            None => self.lots_of(object).find_map(|lot| lot.number(&id).map(|n| Row::Made(lot, n))),
        }
    }

    fn lots_of<'a>(&'a self, object: &str) -> impl Iterator<Item = &'a Lot> + use<'a> {
        let object = object.to_string();
        self.lots.iter().filter(move |lot| lot.object == object)
    }

    /// How many records of an object there are, deleted ones too.
    pub(crate) fn count(&self, object: &str) -> usize {
        let shadows = |lot: &Lot| {
            if self.store.count(&collection(object)) == 0 {
                return 0;
            }
            self.store.all(&collection(object)).filter(|(id, _)| lot.number(id).is_some()).count()
        };
        let made = |lot: &Lot| usize::try_from(lot.count).unwrap_or(usize::MAX) - shadows(lot);
        let kept = self.store.all(&collection(object)).filter(|(_, record)| record.has("Id")).count();
        kept + self.lots_of(object).map(made).sum::<usize>()
    }

    fn made<'a>(&'a self, lot: &'a Lot, numbers: std::ops::Range<u64>) -> impl Iterator<Item = (u64, String)> + 'a {
        let place = collection(&lot.object);
        let some_kept = self.store.count(&place) > 0;
        let shown = move |(_, id): &(u64, String)| !some_kept || self.store.get(&place, id).is_none();
        numbers.map(move |n| (n, lot.id(n))).filter(shown)
    }

    /// All records, kept ones in order of their ids, then those of lots.
    pub(crate) fn rows<'a>(&'a self, object: &str) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let kept = self.store.all(&collection(object)).map(|(_, record)| record).filter(|record| record.has("Id"));
        let lots = self.lots_of(object);
        kept.map(Row::Kept)
            .chain(lots.flat_map(move |lot| self.made(lot, 1..lot.count + 1).map(move |(n, _)| Row::Made(lot, n))))
    }

    /// The records whose stamp is in a range of epoch seconds, in order of stamp and id.
    pub(crate) fn rows_by_stamp<'a>(
        &'a self,
        object: &str,
        range: RangeInclusive<i64>,
    ) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let place = collection(object);
        let kept = self.store.ordered(&place, range.clone()).filter_map(move |(at, id)| {
            let record = self.store.get(&place, id)?;
            record.has("Id").then(|| (at, id.to_string(), Row::Kept(record)))
        });
        let mut ways: Vec<std::iter::Peekable<Stamped<'a>>> = vec![(Box::new(kept) as Stamped<'a>).peekable()];
        for lot in self.lots_of(object) {
            let rows = self.made(lot, lot.range(&range)).map(move |(n, id)| (lot.at(n), id, Row::Made(lot, n)));
            ways.push((Box::new(rows) as Stamped<'a>).peekable());
        }
        std::iter::from_fn(move || {
            let heads = ways.iter_mut().enumerate();
            let heads = heads.filter_map(|(way, rows)| rows.peek().map(|(at, id, _)| ((*at, id.clone()), way)));
            let (_, way) = heads.min()?;
            ways.get_mut(way)?.next().map(|(_, _, row)| row)
        })
    }

    /// Ids of the records of lots whose field has this value.
    pub(crate) fn find_made(&self, object: &str, field: &str, value: &str) -> Vec<String> {
        let place = collection(object);
        let found = self.lots_of(object).filter_map(|lot| lot.having(field, value).map(|n| lot.id(n)));
        found.filter(|id| self.store.get(&place, id).is_none()).collect()
    }
}
