//! What the report crate promises, tested from outside with made-up runs.

mod answers;
mod contact_sheet;
mod support;
mod tables;
mod written;
