//! Memory to disk, all or nothing: the only place where one becomes the other.
//!
//! A file is found or made, filled, and only then takes the place of memory; until then memory is only read. So whatever
//! fails, content, position and length are what they were, and trying again is always allowed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::bounds::LONGEST;
use super::disk::Disk;
use super::lease::Lease;
use crate::error::Limit;
use crate::options::Settings;
use crate::pool::Home;

/// A file whose content is `pieces`, one behind the other: one that the pool has kept, or a new one in the first directory that
/// takes it. Of the pool's disk it has claimed all up to `end`, where what is to be written ends: else that is refused, and
/// nothing has rolled.
///
/// # Errors
/// The first directory's, which it names; `FileTooLarge` if the process may not have a file that long; `QuotaExceeded` if
/// the pool has no more disk.
#[cold]
pub(crate) fn roll(pieces: &[&[u8]], end: u64, settings: &Settings, home: Option<&Arc<Home>>) -> io::Result<Lease> {
    let content = Pieces { pieces, len: pieces.iter().map(|piece| piece.len() as u64).sum() };
    let end = end.max(content.len);
    let mut lease = match home {
        Some(home) if settings.dirs.is_default() => match in_kept(content, end, settings, home)? {
            Some(lease) => lease,
            None => home.dirs.first(|dir| in_new(dir, content, end, settings, Some(home), true))?,
        },
        _ => settings.dirs.first(|dir| in_new(dir, content, end, settings, home, false))?,
    };
    let (max_len, file_size) = (settings.max_len.min(LONGEST), lease.disk().file_size());
    let (ceiling, ceiling_is) =
        if file_size < max_len { (file_size, Limit::FileSize) } else { (max_len, Limit::MaxLen) };
    lease.begin(content.len, ceiling, ceiling_is);
    Ok(lease)
}

/// `None` if none is kept, or the one that was does not take the content any more: the disk it is on may be full.
fn in_kept(content: Pieces<'_>, end: u64, settings: &Settings, home: &Arc<Home>) -> io::Result<Option<Lease>> {
    let Some(mut lease) = Lease::of_kept(content.len, home) else { return Ok(None) };
    let disk = lease.disk_mut();
    disk.reuse(settings.backing, home, content.len, end)?;
    Ok(content.write_to(disk).is_ok().then_some(lease))
}

fn in_new(
    dir: PathBuf,
    content: Pieces<'_>,
    end: u64,
    settings: &Settings,
    home: Option<&Arc<Home>>,
    reusable: bool,
) -> io::Result<Lease> {
    let mut disk = Disk::create(dir, settings.backing, content.len, home, end, reusable)?;
    content.write_to(&mut disk)?;
    Ok(Lease::new(disk))
}

/// Content as it lies in memory.
#[derive(Clone, Copy)]
struct Pieces<'a> {
    pieces: &'a [&'a [u8]],
    len: u64,
}

impl Pieces<'_> {
    fn write_to(self, disk: &mut Disk) -> io::Result<()> {
        let mut at = 0;
        for piece in self.pieces {
            disk.write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}
