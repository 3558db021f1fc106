//! Any text is a configuration, or refused with every problem's place and remedy; its connections are built, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned::registry::Registry;
use milestoned::settings::Settings;

fuzz_target!(|text: &str| {
    // A secret that stands in a file is a file of this machine.
    if text.contains("file") || text.contains("include") {
        return;
    }
    match Settings::check_keys(text) {
        Ok(settings) => {
            for (name, connection) in &settings.connections {
                let problems = Registry::problems(name, connection);
                assert!(problems.iter().all(|problem| !problem.reason.is_empty()));
            }
            let _ = milestoned::calendars::from_settings(&settings);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
