//! P1, P6 and P8 of `tail` with threads: each reader, whatever its pace, sees what was published, and then the one end that it
//! came to; and nobody waits for what is there.
#![cfg(not(target_family = "wasm"))]

mod ground;

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ground::pool::at_rest;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_same, bytes, in_time, numbers, options};
use spooled::{Overflow, Pool, SpoolOptions, tail};

/// Whatever is written, and read from any place.
static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(3 * MIB, 1));

#[test]
fn p1_each_reader_sees_what_was_published_and_then_the_end() {
    in_time(|| {
        let scratch = Scratch::new();
        let lens = [0, 1, 1000, 64 * KIB, 65 * KIB, 300 * KIB, MIB];
        let mut seed = 0;
        for len in lens {
            for threshold in [0, 1, len.saturating_sub(1), len, len + 1, 64 * KIB, usize::MAX] {
                for (backing, _) in BACKINGS.into_iter().flat_map(|backing| (0..4).map(move |round| (backing, round))) {
                    seed += 1;
                    let life = Life { seed, len, readers: 3, ..Life::of(options(scratch.path(), threshold, backing)) };
                    assert_eq!(life.run(), len as u64);
                }
            }
        }
        assert_empty(scratch.path());
    });
}

/// Several at once, and spools beside them, over one pool whose limits bite.
#[test]
fn p8_tails_and_spools_of_one_pool_stay_within_its_limits() {
    in_time(|| {
        let scratch = Scratch::new();
        let limits = [
            // Both are short; memory alone is; disk alone is; nothing is kept; there is enough.
            (600 * KIB, 3 << 20, 64 * MIB, 1 << 30),
            (0, 4 << 20, 64 * MIB, 1 << 30),
            (usize::MAX, 2 << 20, 100 * KIB, 300_000),
            (300 * KIB, 2 << 20, 0, 0),
            (64 * MIB, 64 << 20, 64 * MIB, 1 << 30),
        ];
        for (number, (memory, disk, retain_memory, retain_disk)) in limits.into_iter().enumerate() {
            let mut builder = Pool::builder();
            builder.memory(memory).disk(disk).retain_memory(retain_memory).retain_disk(retain_disk);
            let pool = builder.dir(scratch.path()).build();
            let over = AtomicBool::new(false);
            let accepted = AtomicU64::new(0);
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let stats = pool.stats();
                        let memory = [stats.memory_retained, stats.memory_used, stats.memory_limit];
                        let disk = [stats.disk_retained, stats.disk_used, stats.disk_limit];
                        assert!(memory.is_sorted() && disk.is_sorted(), "{stats:?}");
                    }
                });
                let tails = (0..3).map(|thread| {
                    let (pool, accepted) = (&pool, &accepted);
                    scope.spawn(move || {
                        let mut numbers = numbers(1 << 40, 100 * number as u64 + thread + 1);
                        let mut number = |end: usize| (numbers.next().unwrap() % end as u64) as usize;
                        for _ in 0..40 {
                            let mut options = SpoolOptions::new();
                            let threshold = [0, 1000, 64 * KIB, 100 * KIB, usize::MAX][number(5)];
                            let overflow = [Overflow::Disk, Overflow::Disk, Overflow::DiskOrMemory(MIB)][number(3)];
                            options.pool(pool).threshold(threshold).overflow(overflow).backing(BACKINGS[number(2)]);
                            let most = [2 * KIB, 100 * KIB, MIB][number(3)];
                            let life = Life {
                                seed: number(1 << 30) as u64,
                                len: number(most),
                                readers: 2,
                                ..Life::of(options)
                            };
                            accepted.fetch_add(life.run(), Ordering::Relaxed);
                        }
                    })
                });
                let spools = (0..2).map(|thread| {
                    let pool = &pool;
                    scope.spawn(move || {
                        for len in numbers(600 * KIB as u64, thread + 7).take(120) {
                            let from = len as usize;
                            let mut spool = SpoolOptions::new().pool(pool).threshold(from / 3).build();
                            let mut taken = 0;
                            while taken < from {
                                let piece = &CONTENT[from + taken..2 * from];
                                match spool.write(&piece[..piece.len().min(9000)]) {
                                    Ok(count) => taken += count,
                                    Err(error) => {
                                        assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error:?}");
                                        break;
                                    }
                                }
                            }
                            let mut seen = vec![];
                            spool.rewind().unwrap();
                            spool.read_to_end(&mut seen).unwrap();
                            assert_same(&seen, &CONTENT[from..][..taken], "of a spool");
                        }
                    })
                });
                let workers: Vec<_> = tails.chain(spools).collect();
                let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
                over.store(true, Ordering::Relaxed);
                ended.into_iter().for_each(Result::unwrap);
            });
            assert!(accepted.into_inner() > 0);
            at_rest(&pool);
        }
        assert_empty(scratch.path());
    });
}

/// What a `flush` publishes wakes whoever waits for it, each time, and not some later write.
#[test]
fn p1_a_flush_wakes_every_reader_that_waits() {
    in_time(|| {
        const READERS: u64 = 4;
        let scratch = Scratch::new();
        for threshold in [0, 1000, usize::MAX] {
            let (mut writer, reader) = tail::channel(&options(scratch.path(), threshold, BACKINGS[0]));
            let (seen, is_seen) = channel();
            thread::scope(|scope| {
                for _ in 0..READERS {
                    let (mut reader, seen) = (reader.clone(), seen.clone());
                    scope.spawn(move || {
                        let mut word = [0; 8];
                        while let Ok(()) = reader.read_exact(&mut word) {
                            seen.send(u64::from_le_bytes(word)).unwrap();
                        }
                    });
                }
                for word in 0..300_u64 {
                    writer.write_all(&word.to_le_bytes()).unwrap();
                    writer.flush().unwrap();
                    // The writer does nothing more until each of them has it.
                    for _ in 0..READERS {
                        assert_eq!(is_seen.recv_timeout(Duration::from_secs(120)), Ok(word), "a reader sleeps on");
                    }
                }
                writer.finish().unwrap();
            });
        }
    });
}

/// One that waits for the end, at a place far past it, in the middle of `read_exact`: all of them wake at each kind of end.
#[test]
fn p1_every_way_to_wait_ends_with_the_writer() {
    type Wait = fn(&mut tail::Reader) -> io::Result<u64>;
    let waits: [Wait; 8] = [
        |reader| reader.seek(SeekFrom::End(0)),
        |reader| reader.read_at(&mut [0; 9], 1 << 40).map(|read| read as u64),
        |reader| reader.seek(SeekFrom::Start(1 << 40)).and_then(|_| reader.read(&mut [0])).map(|read| read as u64),
        |reader| reader.read_exact(&mut [0; 200]).map(|()| 200),
        |reader| reader.read_to_end(&mut vec![]).map(|read| read as u64),
        |reader| reader.read_to_string(&mut String::new()).map(|read| read as u64),
        |reader| reader.lines().map(|line| line.map(|line| line.len() as u64)).sum(),
        |reader| {
            reader.seek(SeekFrom::Start(100))?;
            reader.fill_buf().map(|piece| piece.len() as u64)
        },
    ];
    in_time(move || {
        for end in Ending::ALL {
            let (mut writer, reader) = tail::channel(&SpoolOptions::new());
            writer.write_all(&[b'.'; 100]).unwrap();
            writer.flush().unwrap();
            thread::scope(|scope| {
                let waiting: Vec<_> = waits
                    .into_iter()
                    .map(|wait| {
                        let mut reader = reader.clone();
                        scope.spawn(move || (wait(&mut reader), reader.position()))
                    })
                    .collect();
                thread::sleep(Duration::from_millis(30));
                assert!(waiting.iter().all(|wait| !wait.is_finished()), "somebody did not wait");
                end.come(writer);
                let ended: Vec<_> = waiting.into_iter().map(|wait| wait.join().unwrap()).collect();
                for (number, (done, position)) in ended.into_iter().enumerate() {
                    match done {
                        Ok(_) => assert!(end.is_end() && number != 3, "way {number} at {end:?}"),
                        // `read_exact` of more than there is.
                        Err(error) if end.is_end() => {
                            assert_eq!((number, error.kind(), position), (3, ErrorKind::UnexpectedEof, 100));
                        }
                        Err(error) => end.assert_told(&error),
                    }
                    let expected = match number {
                        0 if end.is_end() => 100,
                        3 if end.is_end() => 100,
                        0 | 1 | 3 => 0,
                        2 => 1 << 40,
                        _ => 100,
                    };
                    assert_eq!(position, expected, "way {number} at {end:?}");
                }
            });
        }
    });
}

/// `read_at` moves nothing: so one reader is enough for all of them.
#[test]
fn p1_threads_that_share_a_reader_read_at_any_place() {
    in_time(|| {
        let scratch = Scratch::new();
        for (seed, threshold) in [0, 64 * KIB, 300 * KIB, usize::MAX].into_iter().enumerate() {
            let life =
                Life { seed: seed as u64, len: MIB, ..Life::of(options(scratch.path(), threshold, BACKINGS[0])) };
            let content = &CONTENT[seed..seed + MIB];
            let (mut writer, mut reader) = tail::channel(&life.options);
            writer.write_all(&content[..1000]).unwrap();
            writer.flush().unwrap();
            // It has a window, too.
            reader.read_exact(&mut [0; 100]).unwrap();
            thread::scope(|scope| {
                for thread in 0..3 {
                    let reader = &reader;
                    scope.spawn(move || {
                        let mut pace = Pace::new(thread + 10 * seed as u64);
                        let mut buf = vec![0; 100_000];
                        for _ in 0..500 {
                            let (at, size) = (pace.number(MIB), 1 + pace.number_of([1, 600, 10_000, 99_999]));
                            let read = reader.read_at(&mut buf[..size], at as u64).unwrap();
                            assert!((1..=size).contains(&read));
                            assert_same(&buf[..read], &content[at..][..read], "by read_at");
                        }
                    });
                }
                let written = AtomicUsize::new(0);
                let rest = Life { len: MIB - 1000, ..life };
                assert_eq!(rest.write(writer, &content[1000..], &written, Ending::Finish), MIB - 1000);
            });
            assert_eq!(reader.position(), 100);
        }
    });
}

/// Large reads are on their way through memory, piece by piece, when it goes to the file: they go on there.
#[test]
fn p1_a_read_that_the_rollover_overtakes_is_whole() {
    in_time(|| {
        let scratch = Scratch::new();
        let content = &CONTENT[..MIB];
        for _ in 0..100 {
            let (mut writer, reader) = tail::channel(&options(scratch.path(), MIB - 1, BACKINGS[0]));
            // In many pieces.
            content[..MIB - 1].chunks(5000).for_each(|piece| writer.write_all(piece).unwrap());
            writer.flush().unwrap();
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut seen = vec![0; MIB - 1];
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(reader.read_at(&mut seen, 0).unwrap(), MIB - 1);
                        assert_same(&seen, &content[..MIB - 1], "by read_at");
                    }
                });
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let mut seen = vec![0; MIB - 1];
                        reader.clone().read_exact(&mut seen).unwrap();
                        assert_same(&seen, &content[..MIB - 1], "by read_exact");
                    }
                });
                thread::sleep(Duration::from_millis(1));
                writer.write_all(&content[MIB - 1..]).unwrap();
                over.store(true, Ordering::Relaxed);
            });
        }
    });
}

/// A writer that goes down with its thread is one that was dropped.
#[test]
fn p4_a_writer_that_panics_is_no_end() {
    in_time(|| {
        let (mut writer, mut reader) = tail::channel(&SpoolOptions::new());
        let gone = thread::spawn(move || {
            writer.write_all(b"so much").unwrap();
            resume_unwind(Box::new("and no more"));
        });
        let mut text = String::new();
        Ending::Drop.assert_told(&reader.read_to_string(&mut text).unwrap_err());
        assert_eq!(text, "so much");
        assert!(gone.join().is_err());
    });
}

/// A writer and its readers, each at a pace of its own.
struct Life {
    options: SpoolOptions,
    seed: u64,
    len: usize,
    readers: u64,
}

impl Life {
    fn of(options: SpoolOptions) -> Self {
        Life { options, seed: 0, len: 0, readers: 1 }
    }

    /// Says how much was accepted: all of it, or until a pool refused.
    #[track_caller]
    fn run(&self) -> u64 {
        let start = self.seed as usize % MIB;
        let content = &CONTENT[start..start + self.len];
        let end = Ending::ALL[self.seed as usize % 3];
        // Nobody may see what was not even written.
        let written = AtomicUsize::new(0);
        let (writer, reader) = tail::channel(&self.options);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..self.readers)
                .map(|number| {
                    let (reader, written) = (reader.clone(), &written);
                    let pace = Pace::new(self.seed * 31 + number);
                    scope.spawn(move || Follower { reader, pace, content, written, end }.follow(scope))
                })
                .collect();
            drop(reader);
            let accepted = self.write(writer, content, &written, end);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
            accepted as u64
        })
    }

    fn write(&self, mut writer: tail::Writer, content: &[u8], written: &AtomicUsize, end: Ending) -> usize {
        let mut pace = Pace::new(self.seed * 7919 + 1);
        let mut taken = 0;
        while taken < content.len() {
            let piece = 1 + pace.number_of([10, 1000, 9000, 100_000]);
            let piece = &content[taken..][..piece.min(content.len() - taken)];
            // Before it is written: what is published is never more than that.
            written.store(taken + piece.len(), Ordering::SeqCst);
            match writer.write(piece) {
                Ok(count) => taken += count,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error:?}");
                    break;
                }
            }
            if pace.number(5) == 0 {
                writer.flush().unwrap();
            }
            pace.pause();
        }
        written.store(taken, Ordering::SeqCst);
        end.come(writer);
        taken
    }
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Finish,
    Fail,
    Drop,
}

impl Ending {
    const ALL: [Ending; 3] = [Ending::Finish, Ending::Fail, Ending::Drop];

    fn come(self, writer: tail::Writer) {
        match self {
            Ending::Finish => writer.finish().unwrap(),
            Ending::Fail => writer.fail(io::Error::new(ErrorKind::ConnectionReset, "as it was told")),
            Ending::Drop => drop(writer),
        }
    }

    fn is_end(self) -> bool {
        matches!(self, Ending::Finish)
    }

    #[track_caller]
    fn assert_told(self, error: &io::Error) {
        let cause = error.get_ref().expect("a typed cause");
        match self {
            Ending::Finish => panic!("{error:?} in place of an end"),
            Ending::Fail => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error:?}");
                let failed = cause.downcast_ref::<tail::Failed>().unwrap();
                assert_eq!(failed.cause().to_string(), "as it was told");
            }
            Ending::Drop => {
                assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error:?}");
                assert!(cause.is::<tail::Abandoned>(), "{error:?}");
            }
        }
    }
}

/// One who follows the writer, in one of many manners.
struct Follower<'a> {
    reader: tail::Reader,
    pace: Pace,
    content: &'a [u8],
    written: &'a AtomicUsize,
    end: Ending,
}

impl<'a> Follower<'a> {
    #[track_caller]
    fn follow<'scope>(mut self, scope: &'scope thread::Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        let begins_at = self.reader.position() as usize;
        let mut at = begins_at;
        let mut buf = vec![0; 100_000];
        let ended = loop {
            let size = 1 + self.pace.number_of([1, 600, 10_000, 99_999]);
            let done = match self.pace.number(8) {
                0..=2 => self.reader.read(&mut buf[..size]),
                3 => self.reader.fill_buf().map(|piece| {
                    let count = piece.len().min(size);
                    buf[..count].copy_from_slice(&piece[..count]);
                    count
                }),
                4 => self.reader.read_exact(&mut buf[..size]).map(|()| size),
                5 => self.reader.read_at(&mut buf[..size], at as u64),
                6 => {
                    // Once more from somewhere.
                    let from = self.pace.number(at + 1);
                    self.reader.seek(SeekFrom::Start(from as u64)).unwrap();
                    let count = size.min(at - from);
                    self.reader.read_exact(&mut buf[..count]).unwrap();
                    assert_same(&buf[..count], &self.content[from..][..count], "once more");
                    self.reader.seek(SeekFrom::Start(at as u64)).unwrap();
                    continue;
                }
                _ if at > begins_at && self.pace.number(20) == 0 => {
                    let clone = Follower {
                        reader: self.reader.clone(),
                        pace: Pace::new(self.pace.number(1 << 30) as u64),
                        ..self
                    };
                    scope.spawn(move || clone.follow(scope));
                    continue;
                }
                // This one has seen enough.
                _ if at > begins_at && self.pace.number(100) == 0 => return,
                _ => continue,
            };
            match done {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    let seen = &buf[..count];
                    assert!(at + count <= self.written.load(Ordering::SeqCst), "read before it was written");
                    assert_same(seen, &self.content[at..][..count], "what is published");
                    at += count;
                    self.reader.seek(SeekFrom::Start(at as u64)).unwrap();
                }
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    assert!(self.end.is_end(), "an end in place of {:?}", self.end);
                    let len = self.reader.stream_position().unwrap() as usize;
                    assert!(len - at < size, "{size} bytes were there at {at} of {len}");
                    self.reader.seek(SeekFrom::Start(at as u64)).unwrap();
                    continue;
                }
                Err(error) => {
                    let position = self.reader.position() as usize;
                    assert_eq!(position, at, "a read that fails moves nothing");
                    // `read_exact` may have asked for more than was published.
                    if at < self.reader.published() as usize {
                        self.end.assert_told(&error);
                        continue;
                    }
                    break Err(error);
                }
            }
            self.pace.pause();
        };
        // The end is where the writer ended, for everybody, and stays so.
        assert_eq!(at, self.written.load(Ordering::SeqCst));
        match ended {
            Ok(()) => assert!(self.end.is_end(), "an end in place of {:?}", self.end),
            Err(error) => self.end.assert_told(&error),
        }
        let mut all = vec![];
        self.reader.rewind().unwrap();
        match self.reader.read_to_end(&mut all) {
            Ok(_) => assert!(self.end.is_end(), "an end in place of {:?}", self.end),
            Err(error) => self.end.assert_told(&error),
        }
        assert_same(&all, &self.content[..at], "all of it again");
    }
}

/// Random numbers, and random pauses.
struct Pace {
    numbers: Box<dyn Iterator<Item = u64> + Send>,
    /// How many of a hundred steps are followed by a pause.
    pauses: usize,
}

impl Pace {
    fn new(seed: u64) -> Self {
        let mut pace = Pace { numbers: Box::new(numbers(1 << 40, seed.wrapping_mul(0x9e37_79b9) + 77)), pauses: 0 };
        pace.pauses = [0, 2, 20, 60][pace.number(4)];
        pace
    }

    fn number(&mut self, end: usize) -> usize {
        (self.numbers.next().unwrap() % end.max(1) as u64) as usize
    }

    /// Below one of these.
    fn number_of(&mut self, ends: [usize; 4]) -> usize {
        let end = ends[self.number(4)];
        self.number(end)
    }

    fn pause(&mut self) {
        if self.number(100) < self.pauses {
            match self.number(3) {
                0 => thread::yield_now(),
                _ => thread::sleep(Duration::from_micros(self.number(300) as u64)),
            }
        }
    }
}
