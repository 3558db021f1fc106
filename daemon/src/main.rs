//! The `milestoned` binary.

fn main() {}
