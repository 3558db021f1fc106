//! A field map, a line `---`, a record: any text is understood or refused, field by field.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_mapping::fieldmap::{FieldMap, Shape};
use milestoned_mapping::normalise::normalise;
use milestoned_mapping::record::{Content, SourceRecord};

fuzz_target!(|text: &str| {
    let (map, raw) = text.split_once("\n---\n").unwrap_or((text, "{}"));
    match FieldMap::from_toml(map, Shape { envelope: Some("fields"), ..Shape::PLAIN }) {
        Ok(map) => {
            let record = SourceRecord {
                system: "crm".into(),
                object: "Opportunity".into(),
                id: "1".into(),
                version: "1".into(),
                at: "2026-02-02T15:00:00Z".parse().unwrap(),
                raw: raw.into(),
                content: Content::Fields { history: Vec::new() },
            };
            let _ = normalise(&record, &map);
        }
        Err(errors) => assert!(!errors.is_empty()),
    }
});
