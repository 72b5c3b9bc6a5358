//! P6, P8 and P11 of `tail` from a pool: what another one left in a file that is used again can never be read, at no moment.

mod ground;

use std::io::{BufRead, ErrorKind, Read, Seek, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use ground::pool::{at_rest, options, sound, written};
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_same, in_time};
use spooled::{Pool, tail};

/// Whose bytes nobody else may see, and whose are written over them.
const MARKER: u8 = 0xf5;
const OURS: u8 = 0x11;

#[cfg(not(target_family = "wasm"))]
#[test]
fn p6_nothing_of_a_used_file_is_read_before_it_is_written_over() {
    in_time(|| {
        let scratch = Scratch::new();
        for backing in BACKINGS {
            for memory in [usize::MAX, 0] {
                let pool = Pool::builder().memory(memory).dir(scratch.path()).build();
                let options = options(&pool, 0, backing);
                for (round, piece) in [1, 500, 4096, 70_000, 300_000].into_iter().enumerate() {
                    drop(written(&options, &vec![MARKER; 2 * MIB]));
                    let steps = (200_000 / piece).min(2000) + 2;
                    let (mut writer, reader) = tail::channel(&options);
                    thread::scope(|scope| {
                        for size in [100, 100_000] {
                            let mut reader = reader.clone();
                            scope.spawn(move || {
                                let mut buf = vec![0; size];
                                while let Some(read) = Some(reader.read(&mut buf).unwrap()).filter(|read| *read > 0) {
                                    assert!(buf[..read].iter().all(|byte| *byte == OURS), "another's bytes");
                                }
                            });
                        }
                        let mut pieces = reader.clone();
                        scope.spawn(move || {
                            while let Some(piece) = Some(pieces.fill_buf().unwrap()).filter(|piece| !piece.is_empty()) {
                                assert!(piece.iter().all(|byte| *byte == OURS), "another's bytes");
                                let count = piece.len().div_ceil(2);
                                pieces.consume(count);
                            }
                        });
                        let ours = vec![OURS; piece];
                        for step in 0..steps {
                            writer.write_all(&ours).unwrap();
                            if step % 3 == 0 {
                                writer.flush().unwrap();
                            }
                            let published = reader.published();
                            assert!(published <= ((step + 1) * piece) as u64, "{published} are published");
                        }
                        writer.finish().unwrap();
                    });
                    assert_eq!(pool.stats().reused_files as usize, 3 * round + 1, "it was to be used again");
                    // Behind the end there is nothing, wherever the file may end.
                    let len = reader.published();
                    assert_eq!(len, (steps * piece) as u64);
                    let mut all = vec![0; MIB];
                    assert_eq!(reader.read_at(&mut all, len).unwrap(), 0);
                    assert_eq!(reader.read_at(&mut all, len - 1).unwrap(), 1);
                    drop(reader);
                    // The next life of that file begins with another's bytes once more.
                    let mut next = options.build();
                    next.set_len(MIB as u64).unwrap();
                    next.read_exact(&mut all).unwrap();
                    assert!(all.iter().all(|byte| *byte == 0), "what the tail left");
                }
                at_rest(&pool);
            }
        }
        assert_empty(scratch.path());
    });
}

/// A neighbour who is short of disk has the stale tails of all files cut, while they are written and read.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p6_p8_a_file_that_gives_up_its_stale_end_loses_nothing_else() {
    in_time(|| {
        let scratch = Scratch::new();
        for backing in BACKINGS {
            let pool = Pool::builder().dir(scratch.path()).disk(4 << 20).build();
            let options = options(&pool, 0, backing);
            for _ in 0..10 {
                drop(written(&options, &vec![MARKER; 3 * MIB]));
                let (mut writer, mut reader) = tail::channel(&options);
                let (over, made_room) = (AtomicBool::new(false), AtomicU64::new(0));
                thread::scope(|scope| {
                    scope.spawn(|| {
                        while !over.load(Ordering::Relaxed) {
                            let times = made_room.load(Ordering::Relaxed);
                            let mut spool = options.build();
                            match spool.set_len(2 * MIB as u64 + times % 5000) {
                                Ok(()) => made_room.store(times + 1, Ordering::Relaxed),
                                Err(error) => assert_eq!(error.kind(), ErrorKind::QuotaExceeded),
                            }
                        }
                    });
                    scope.spawn(move || {
                        let mut seen = vec![];
                        reader.read_to_end(&mut seen).unwrap();
                        assert_same(&seen, &[OURS; MIB], "while others are short");
                        reader.rewind().unwrap();
                        let mut again = vec![0; MIB];
                        reader.read_exact(&mut again).unwrap();
                        assert_same(&again, &[OURS; MIB], "once more");
                    });
                    for piece in 0..MIB / 1024 {
                        writer.write_all(&[OURS; 1024]).unwrap();
                        sound(&pool);
                        while piece == 512 && made_room.load(Ordering::Relaxed) < 3 {
                            thread::yield_now();
                        }
                    }
                    writer.finish().unwrap();
                    over.store(true, Ordering::Relaxed);
                });
            }
            at_rest(&pool);
        }
    });
}

/// However large it is: a part of it may have been published on its way otherwise.
#[test]
fn p8_a_write_that_a_pool_refuses_is_refused_whole() {
    let scratch = Scratch::new();
    for backing in BACKINGS {
        for threshold in [0, 64 * KIB] {
            let pool = Pool::builder().dir(scratch.path()).disk(900 * KIB as u64).build();
            let (mut writer, mut reader) = tail::channel(&options(&pool, threshold, backing));
            writer.write_all(&[OURS; 100 * KIB]).unwrap();
            for _ in 0..2 {
                assert_eq!(writer.write(&vec![MARKER; MIB]).unwrap_err().kind(), ErrorKind::QuotaExceeded);
                writer.flush().unwrap();
                assert_eq!(reader.published(), 100 * KIB as u64);
            }
            assert_eq!(writer.write(&vec![OURS; 800 * KIB]).unwrap(), 800 * KIB);
            writer.finish().unwrap();
            let mut seen = vec![];
            reader.read_to_end(&mut seen).unwrap();
            assert_same(&seen, &vec![OURS; 900 * KIB], "all that was accepted");
            drop(reader);
            at_rest(&pool);
        }
    }
}

/// Whoever goes last gives it all back: the writer, the first reader, or a clone.
#[test]
fn p8_the_last_to_go_gives_back() {
    let scratch = Scratch::new();
    for backing in BACKINGS {
        for threshold in [0, MIB] {
            for last in 0..3 {
                let pool = Pool::builder().dir(scratch.path()).memory(4 * MIB).disk(2 << 20).build();
                let (mut writer, reader) = tail::channel(&options(&pool, threshold, backing));
                writer.write_all(&[OURS; 300 * KIB]).unwrap();
                writer.flush().unwrap();
                let mut clone = reader.clone();
                clone.read_exact(&mut [0; 100]).unwrap();
                let held = |pool: &Pool| {
                    let stats = sound(pool);
                    let (memory, disk) =
                        (stats.memory_used - stats.memory_retained, stats.disk_used - stats.disk_retained);
                    assert!(memory as u64 + disk >= 300 * KIB as u64, "{stats:?}");
                    assert_eq!((stats.spools, stats.rolled), (1, usize::from(threshold == 0)), "{stats:?}");
                };
                held(&pool);
                let mut out = [Some(Out::Writer(writer)), Some(Out::Reader(reader)), Some(Out::Reader(clone))];
                for at in [(last + 1) % 3, (last + 2) % 3] {
                    drop(out[at].take());
                    held(&pool);
                }
                drop(out);
                at_rest(&pool);
            }
        }
    }
    assert_empty(scratch.path());
}

/// Whoever still reads keeps the file alone, and of that no more than what is in it.
#[test]
fn p8_an_end_gives_back_what_only_the_writer_needed() {
    let scratch = Scratch::new();
    for backing in BACKINGS {
        for finished in [true, false] {
            let pool = Pool::builder().dir(scratch.path()).memory(4 * MIB).disk(2 << 20).build();
            let (mut writer, reader) = tail::channel(&options(&pool, 0, backing));
            writer.write_all(&[OURS; 1000]).unwrap();
            let stats = sound(&pool);
            assert!(stats.memory_used > stats.memory_retained && stats.disk_used > 1000, "{stats:?}");
            if finished {
                writer.finish().unwrap()
            } else {
                drop(writer)
            }
            let stats = sound(&pool);
            assert_eq!(stats.memory_used, stats.memory_retained, "{stats:?}");
            assert_eq!(stats.disk_used - stats.disk_retained, 1000, "{stats:?}");
            drop(reader);
            at_rest(&pool);
        }
    }
    assert_empty(scratch.path());
}

#[expect(dead_code, reason = "it is held, and dropped")]
enum Out {
    Writer(tail::Writer),
    Reader(tail::Reader),
}
