//! The workbook: contracts as sheets that people sort and edit, and what follows from what they edited. An edited term is a
//! change order, filed through the same door as files; an act is taken by the same code as on the pages.
//!
//! Reading order: [`sheets`] (the rows), [`import`] (what a file that came back says beside what holds now), [`apply`].

pub mod apply;
pub mod import;
pub mod sheets;
