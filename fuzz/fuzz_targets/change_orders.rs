//! Any text is a change order, or refused with a place and a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_mapping::change_order::ChangeOrder;
use milestoned_mapping::filed::{json_tree, toml_tree};

fuzz_target!(|text: &str| {
    for tree in [toml_tree(text), json_tree(text)].into_iter().flatten() {
        match ChangeOrder::read(tree) {
            Ok(order) => assert!(!order.amends.is_empty()),
            Err(problems) => assert!(problems.iter().all(|problem| !problem.reason.is_empty())),
        }
    }
});
