//! The four examples, run as people run them, on what other programs have made: what they say, what they write, and what
//! they leave behind when they fail.
#![cfg(target_os = "linux")]

mod ground;
mod image_from_pipe;
mod parquet_from_pipe;
mod run;
mod tee_tail;
mod zip_from_pipe;
