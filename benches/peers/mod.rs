//! How each peer is made: in memory, on disk and empty, on disk and filled. What is done with it then is in `work`.

pub mod bytes_mut;
pub mod file;
pub mod memcpy;
pub mod ours;
pub mod tempfile3;
