//! What milestoned costs: each benchmark prints its ratio to a floor of the same run.
