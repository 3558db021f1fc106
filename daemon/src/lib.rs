//! The daemon: reads sources, lets the core decide, delivers, reports.
//!
//! One way through the house: [`store::intake`] ← connectors; `engine` decides; `deliver` writes; `report` tells.

pub mod clock;
pub mod settings;
pub mod store;
