//! Bodies into spools and out of them, in memory, on disk, and over loopback.

mod axum;
mod body;
mod cancel;
mod clients;
mod collect;
mod layer;
mod multipart;
