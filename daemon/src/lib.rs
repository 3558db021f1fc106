//! The daemon: reads sources, lets the core decide, delivers, reports.
//!
//! One way through the house: [`intake`] stores what came in, [`engine`] lets the core decide, [`deliver`] writes to the
//! remotes, [`report`] tells people. All of them work with an [`environment`]; [`app`] wires them, and nothing below knows
//! it; [`registry`] names every connector; [`store`] keeps everything.

pub mod agreements;
pub mod app;
pub mod calendars;
pub mod cli;
pub mod clock;
pub mod contract_folder;
pub mod contract_template;
pub mod customer_names;
pub mod deliver;
#[cfg(feature = "demo")]
pub mod demo;
pub mod drift;
pub mod engine;
pub mod environment;
pub mod fast_path;
pub mod fleet;
pub mod intake;
pub mod integrity;
pub mod known_balances;
pub mod periods;
pub mod printable;
pub mod progress;
pub mod reading;
pub mod registry;
pub mod replay;
pub mod report;
pub mod review;
pub mod settings;
pub mod signed_documents;
pub mod supervision;
pub mod unassigned;
pub mod wake;
pub mod web;

pub use milestoned_store as store;
pub use milestoned_store::failpoint;
