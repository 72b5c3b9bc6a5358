//! The service, run as people run it, and clients of all kinds: curl, reqwest, a browser, and such as only hold a socket.
#![cfg(target_os = "linux")]

mod browser;
mod clients;
mod crowd;
mod curl;
mod followed;
mod forms;
mod ground;
mod limits;
mod names;
mod page;
mod ranges;
mod server;
mod socket;
mod stops;
mod uploads;
