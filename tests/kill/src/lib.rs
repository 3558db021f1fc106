//! The real binary against simulators over real sockets, on real databases: killed at any moment and at every named step,
//! starved of disk, cut off from its database and its remotes. Whatever happens, the end is that of an undisturbed run
//! over the same script, and what was acknowledged is there.

pub mod copies;
pub mod daemon;
pub mod floods;
pub mod kills;
pub mod outages;
pub mod places;
pub mod replicas;
pub mod scarce;
pub mod script;
pub mod servers;
mod taken;
pub mod view;
pub mod world;
