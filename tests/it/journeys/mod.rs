//! Journeys: something happens in a simulated system, and something follows in another.

mod access;
mod authority;
mod billing;
mod close;
mod customers;
mod dates;
mod drift;
mod edges;
mod erp;
mod facade;
mod faults;
mod figures;
mod fleet;
mod folder;
mod forged;
mod input;
mod mail;
mod pages;
mod provider;
mod recovery;
mod reports;
mod review;
mod scopes;
mod trail;
mod upgrade;
mod workbook;
