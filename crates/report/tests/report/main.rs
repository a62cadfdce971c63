//! Tests of the public interface of the report crate, with synthetic runs.

mod answers;
mod contact_sheet;
mod pictures;
mod support;
mod tables;
mod written;
