//! What a spool promises, seen from outside, in one binary.

mod fixture;

mod directories;
mod frozen;
mod giving_back;
mod growth;
mod handles;
mod limits;
mod model;
mod property;
mod seekable;
mod surface;
mod tail;
#[cfg(feature = "tokio")]
mod tasks;
