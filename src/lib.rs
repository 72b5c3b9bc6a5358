//! One buffer to read, write and seek in, that starts in memory and moves to an anonymous file when it outgrows a
//! threshold.

mod cursor;
mod directory;
mod error;
mod frozen;
mod options;
mod spooled;
mod store;
mod sys;

pub use directory::default_directory;
pub use error::{Limit, LimitError, PathError};
pub use frozen::{Chunks, FreezeError, SpooledBytes};
pub use options::{Backing, Overflow, SpoolOptions};
pub use spooled::{
    IntoFileError, IntoInnerError, PersistError, SpooledData, SpooledTempFile, spooled_tempfile, spooled_tempfile_in,
    tempfile, tempfile_in,
};
