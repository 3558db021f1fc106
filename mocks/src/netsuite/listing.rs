//! The filter of REST collections, `q`: a language of its own, with the user's date format.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::state::Refusal;
use crate::json::Json;

/// Conditions in conjunctive groups: any group must hold as a whole.
pub(crate) struct Criteria {
    groups: Vec<Vec<Condition>>,
    zone: TimeZone,
}

struct Condition {
    field: String,
    operator: String,
    values: Vec<String>,
}

fn wrong(why: &str) -> Refusal {
    let detail = format!("Invalid search query. {why}");
    Refusal::new(400, "INVALID_PARAMETER", detail).at("o:errorQueryParam", "q")
}

/// Words, and texts between double quotes; `[1, 2]` is one word.
fn words(text: &str) -> Result<Vec<String>, Refusal> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| wrong("A quote is not closed."))?,
            None if rest.starts_with('[') => rest.split_once(']').ok_or_else(|| wrong("A list is not closed."))?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.trim_start_matches('[').to_string());
        rest = after.trim_start();
    }
    Ok(words)
}

/// `11/20/2026`, the format of the integration user.
fn user_date(text: &str) -> Option<Date> {
    let mut parts = text.split('/').map(|part| part.parse::<i16>().ok());
    let (month, day, year) = (parts.next()??, parts.next()??, parts.next()??);
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

impl Criteria {
    pub(crate) fn read(text: &str, zone: &TimeZone) -> Result<Criteria, Refusal> {
        let mut groups = vec![Vec::new()];
        let mut words = words(text)?.into_iter().peekable();
        while let Some(field) = words.next() {
            let operator = words.next().ok_or_else(|| wrong("An operator is missing."))?.to_uppercase();
            let bare = matches!(operator.as_str(), "EMPTY" | "EMPTY_NOT");
            let value = if bare { None } else { Some(words.next().ok_or_else(|| wrong("A value is missing."))?) };
            let values: Vec<String> =
                value.iter().flat_map(|value| value.split(',')).map(|name| name.trim().to_string()).collect();
            if operator.contains("ON") && operator != "CONTAIN"
                || operator.contains("BEFORE")
                || operator.contains("AFTER")
            {
                for value in &values {
                    user_date(value)
                        .ok_or_else(|| wrong(&format!("'{value}' is not a date of the form MM/DD/YYYY.")))?;
                }
            }
            if let Some(group) = groups.last_mut() {
                group.push(Condition { field, operator, values });
            }
            match words.next().map(|word| word.to_uppercase()).as_deref() {
                None | Some("AND") => {}
                Some("OR") => groups.push(Vec::new()),
                Some(other) => return Err(wrong(&format!("'{other}' is neither AND nor OR."))),
            }
        }
        let criteria = Criteria { groups, zone: zone.clone() };
        for condition in criteria.groups.iter().flatten() {
            if criteria.test(condition, &Json::object()).is_none() {
                return Err(wrong(&format!("The operator {} is not known.", condition.operator)));
            }
        }
        Ok(criteria)
    }

    pub(crate) fn hold(&self, record: &Json) -> bool {
        self.groups.iter().any(|group| group.iter().all(|condition| self.test(condition, record) == Some(true)))
    }

    /// The truth of a condition; nothing for an unknown operator.
    fn test(&self, Condition { field, operator, values }: &Condition, record: &Json) -> Option<bool> {
        let held = record.members().iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, value)| value);
        let text = held.map(|value| value.scalar().unwrap_or_else(|| value.text("id"))).unwrap_or_default();
        let lower = text.to_lowercase();
        let any = |test: &dyn Fn(&str) -> bool| values.iter().any(|value| test(&value.to_lowercase()));
        let number = |test: &dyn Fn(Decimal, Decimal) -> bool| {
            let held = crate::json::decimal(&text);
            held.is_some_and(|held| {
                values.iter().filter_map(|value| crate::json::decimal(value)).any(|value| test(held, value))
            })
        };
        let day = || match text.parse::<Timestamp>() {
            Ok(time) => Some(time.to_zoned(self.zone.clone()).date()),
            Err(_) => text.parse::<Date>().ok(),
        };
        let date = |test: &dyn Fn(Date, Date) -> bool| {
            day().is_some_and(|held| values.iter().filter_map(|value| user_date(value)).any(|date| test(held, date)))
        };
        Some(match operator.as_str() {
            "EMPTY" => text.is_empty(),
            "EMPTY_NOT" => !text.is_empty(),
            "IS" | "ANY_OF" => any(&|value| lower == value || (lower == "true" && value == "t")),
            "IS_NOT" | "NONE_OF" => !any(&|value| lower == value),
            "CONTAIN" => any(&|value| lower.contains(value)),
            "CONTAIN_NOT" => !any(&|value| lower.contains(value)),
            "START_WITH" => any(&|value| lower.starts_with(value)),
            "END_WITH" => any(&|value| lower.ends_with(value)),
            "EQUAL" => number(&|held, asked| held == asked),
            "EQUAL_NOT" => number(&|held, asked| held != asked),
            "GREATER" => number(&|held, asked| held > asked),
            "GREATER_OR_EQUAL" => number(&|held, asked| held >= asked),
            "LESS" => number(&|held, asked| held < asked),
            "LESS_OR_EQUAL" => number(&|held, asked| held <= asked),
            "ON" => date(&|held, asked| held == asked),
            "AFTER" => date(&|held, asked| held > asked),
            "BEFORE" => date(&|held, asked| held < asked),
            "ON_OR_AFTER" => date(&|held, asked| held >= asked),
            "ON_OR_BEFORE" => date(&|held, asked| held <= asked),
            _ => return None,
        })
    }
}
