//! The workbook that people edit: rows become an Excel file, which is read back and merged cell by cell with what holds now.
//! It knows no contract and does no IO: whoever calls brings the rows, attests them, and applies what was edited.
//!
//! Reading order: [`cell`], [`book`] (sheets with their columns and rows), [`base`] (what a file was exported with, and by whom
//! that is attested), [`mod@write`], [`read`], [`merge`].

pub mod base;
pub mod book;
pub mod cell;
pub mod merge;
pub mod read;
mod sizes;
pub mod write;
