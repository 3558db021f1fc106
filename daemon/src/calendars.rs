//! Holiday calendars of the configuration, beside the built-in ones.

use milestoned_mapping::calendar::Calendars;

use crate::settings::{Settings, SettingsError};

/// Built-in calendars and those of `[calendars]`.
///
/// # Errors
/// A day of the week that does not exist.
pub fn from_settings(settings: &Settings) -> Result<Calendars, SettingsError> {
    let mut calendars = Calendars::built_in();
    for (name, custom) in &settings.calendars {
        let mut weekend = Vec::new();
        for day in &custom.weekend {
            weekend.push(weekday(day).ok_or_else(|| {
                let place = format!("calendars.{name}.weekend");
                SettingsError::one(place, format!("{day:?} is no day of the week"), "write \"saturday\"")
            })?);
        }
        calendars.add(name, &weekend, &custom.holidays);
    }
    Ok(calendars)
}

fn weekday(name: &str) -> Option<jiff::civil::Weekday> {
    use jiff::civil::Weekday;
    Some(match name {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}
