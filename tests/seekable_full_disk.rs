//! P4 of `SeekableReader` on a disk that is really full: whatever was asked of the source is there, and it goes on when there is
//! room.
#![cfg(target_os = "linux")]

mod ground;

use std::io::{BufRead, Read, Seek, SeekFrom};

use ground::mount::small_disk;
use ground::pool::at_rest;
use ground::{BACKINGS, KIB, MIB, assert_empty, assert_full, assert_holds, assert_same, bytes, options};
use spooled::{Pool, SeekableReader};

#[test]
fn p4_a_disk_that_fills_under_a_reader_loses_nothing_of_its_source() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(2 * MIB, 1);
    type Way = fn(&mut SeekableReader<&[u8]>, &mut Vec<u8>) -> std::io::Result<usize>;
    let ways: [Way; 4] = [
        |reader, seen| reader.read_to_end(seen),
        |reader, seen| {
            let mut buf = [0; 1000];
            while let Some(read) = Some(reader.read(&mut buf)?).filter(|read| *read > 0) {
                seen.extend_from_slice(&buf[..read]);
            }
            Ok(seen.len())
        },
        |reader, seen| {
            while let Some(piece) = Some(reader.fill_buf()?).filter(|piece| !piece.is_empty()) {
                seen.extend_from_slice(piece);
                let count = piece.len();
                reader.consume(count);
            }
            Ok(seen.len())
        },
        |reader, seen| {
            let before = reader.stream_position()?;
            reader.seek(SeekFrom::End(0))?;
            reader.seek(SeekFrom::Start(before))?;
            reader.read_to_end(seen)
        },
    ];
    for backing in BACKINGS {
        for threshold in [0, 1000, 64 * KIB, 300 * KIB, 800 * KIB] {
            for way in ways {
                disk.fill(500 * KIB);
                let options = options(disk.path(), threshold, backing);
                let mut reader = SeekableReader::with_options(content.as_slice(), &options);
                let mut seen = vec![];
                for _ in 0..3 {
                    assert_full(&way(&mut reader, &mut seen).unwrap_err(), disk.path());
                    let pulled = reader.pulled() as usize;
                    assert_eq!(pulled + reader.get_ref().len(), content.len(), "source and spool are everything");
                    assert_eq!(reader.stream_position().unwrap(), seen.len() as u64);
                    assert_same(&seen, &content[..seen.len()], "handed out");
                }
                // Looking back never fails.
                let (position, half) = (seen.len() as u64, reader.pulled() / 2);
                reader.seek(SeekFrom::Start(half)).unwrap();
                let mut rest = vec![0; (reader.pulled() - half) as usize];
                reader.read_exact(&mut rest).unwrap();
                assert_same(&rest, &content[half as usize..][..rest.len()], "once more");
                reader.seek(SeekFrom::Start(position)).unwrap();

                disk.resize(4 * MIB);
                way(&mut reader, &mut seen).unwrap();
                assert_same(&seen, &content, "all of it");
                let (source, mut spool) = reader.into_parts();
                assert!(source.is_empty());
                assert_holds(&mut spool, &content);
                drop(spool);
                disk.clear(MIB);
            }
        }
    }
    assert_empty(disk.path());
}

#[test]
fn p4_p8_parts_of_a_reader_on_a_full_disk_are_everything() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(2 * MIB, 2);
    for backing in BACKINGS {
        for memory in [usize::MAX, 0] {
            for threshold in [0, 64 * KIB, 300 * KIB] {
                disk.fill(500 * KIB);
                let pool = Pool::builder().dir(disk.path()).disk(4 << 20).memory(memory).build();
                let options = ground::pool::options(&pool, threshold, backing);
                let mut reader = SeekableReader::with_options(content.as_slice(), &options);
                let mut seen = vec![];
                assert_full(&reader.read_to_end(&mut seen).unwrap_err(), disk.path());
                let (mut source, mut spool) = reader.into_parts();
                assert_eq!(spool.position(), seen.len() as u64);
                let pulled = content.len() - source.len();
                assert_holds(&mut spool, &content[..pulled]);
                disk.resize(8 * MIB);
                spool.seek(SeekFrom::End(0)).unwrap();
                spool.copy_from(&mut source).unwrap();
                assert_holds(&mut spool, &content);
                drop(spool);
                at_rest(&pool);
                disk.clear(MIB);
            }
        }
    }
    assert_empty(disk.path());
}
