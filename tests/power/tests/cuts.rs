//! Some thousand power cuts with every test run; more by the program.

#[test]
fn no_power_cut_loses_what_was_acknowledged_or_leaves_half_of_anything() {
    let report = milestoned_power::run(1, 3_000).expect("the store can be made");
    assert_eq!(report.violations, Vec::<String>::new());
    assert!(report.cuts >= 3_000 && report.acknowledged > 1_000 && report.survivors > 0, "{report:?}");
}
