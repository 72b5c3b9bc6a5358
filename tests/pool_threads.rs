//! P8 with many threads: nothing passes a limit, whoever looks and whenever; and no thread ever meets another's bytes.
#![cfg(not(target_family = "wasm"))]

mod ground;

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ground::mount::Mount;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_same, numbers};
use parking_lot::RwLock;
use spooled::{LimitError, Overflow, Pool, PoolStats, SpoolOptions, SpooledBytes, SpooledTempFile};

const THREADS: u64 = 8;
// Under Wine all that is asked of the system takes its time.
const LIVES: usize = if cfg!(windows) { 50 } else { 200 };

#[test]
fn p8_no_look_at_a_busy_pool_sees_a_limit_passed() {
    let scratch = Scratch::new();
    let limits = [
        // Both are short; memory alone is; disk alone is; nothing is kept; there is enough.
        (600 * KIB, 2 << 20, 64 * MIB, 1 << 30),
        (0, 4 << 20, 64 * MIB, 1 << 30),
        (usize::MAX, 1 << 20, 100 * KIB, 300_000),
        (300 * KIB, 1 << 20, 0, 0),
        (64 * MIB, 64 << 20, 64 * MIB, 1 << 30),
    ];
    for (memory, disk, retain_memory, retain_disk) in limits {
        let mut builder = Pool::builder();
        builder.memory(memory).disk(disk).retain_memory(retain_memory).retain_disk(retain_disk);
        let pool = builder.dir(scratch.path()).build();
        let over = AtomicBool::new(false);
        let (succeeded, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut is_over = false;
                while !is_over {
                    is_over = over.load(Ordering::Relaxed);
                    let stats = pool.stats();
                    assert_sound(&stats);
                    assert!(stats.memory_retained <= retain_memory && stats.disk_retained <= retain_disk, "{stats:?}");
                }
            });
            let workers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (pool, succeeded, refused) = (pool.clone(), &succeeded, &refused);
                    scope.spawn(move || {
                        let mut worker = Worker::new(&pool, thread, MIB);
                        for _ in 0..LIVES {
                            match worker.live() {
                                Ok(()) => succeeded.fetch_add(1, Ordering::Relaxed),
                                Err(()) => refused.fetch_add(1, Ordering::Relaxed),
                            };
                        }
                    })
                })
                .collect();
            let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
            over.store(true, Ordering::Relaxed);
            ended.into_iter().for_each(Result::unwrap);
        });
        assert!(succeeded.into_inner() > 0);
        assert!(refused.into_inner() == 0 || disk < 64 << 20);
        assert_at_rest(&pool);
    }
}

/// What the kernel says, on Linux, of all files there are, while everybody stands still for a moment.
#[cfg(target_os = "linux")]
#[test]
fn p8_all_files_together_are_never_longer_than_the_limit() {
    const LIMIT: u64 = 3 << 20;
    let scratch = Scratch::new();
    let pool = Pool::builder().disk(LIMIT).dir(scratch.path()).build();
    let over = AtomicBool::new(false);
    let still = RwLock::new(());
    let seen = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                let everybody = still.write();
                let (all, stats) = (length_of_all(scratch.path()), pool.stats());
                drop(everybody);
                assert!(all <= stats.disk_used && stats.disk_used <= LIMIT, "{all} bytes: {stats:?}");
                most = most.max(all);
                thread::sleep(Duration::from_micros(200));
            }
            most
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (pool, still) = (pool.clone(), &still);
                scope.spawn(move || {
                    let mut worker = Worker { still: Some(still), ..Worker::new(&pool, thread, MIB) };
                    for _ in 0..LIVES {
                        let _ = worker.live();
                    }
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(Result::unwrap);
        watcher.join().unwrap()
    });
    assert!(seen > LIMIT / 2, "the limit was never near: {seen}");
    assert_at_rest(&pool);
    assert_eq!(length_of_all(scratch.path()), 0, "a file is left");
}

/// The same by a disk that is as large as the limit, with what each file wastes in its last page: it never fills.
#[test]
fn p8_a_disk_of_the_size_of_the_limit_is_never_full() {
    const LIMIT: usize = 2 * MIB;
    let Some(disk) = Mount::tmpfs(LIMIT + 200 * 4 * KIB) else { return };
    let free_before = disk.free();
    let pool = Pool::builder().disk(LIMIT as u64).dir(disk.path()).build();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let pool = pool.clone();
            scope.spawn(move || {
                let mut worker = Worker::new(&pool, thread, 400 * KIB);
                for _ in 0..LIVES {
                    let _ = worker.live();
                }
            });
        }
    });
    assert_at_rest(&pool);
    disk.assert_free(free_before);
}

/// Two who need all of it take turns: neither is refused for what the other no longer has.
#[test]
fn p8_what_one_thread_gave_back_another_has() {
    const LIMIT: u64 = MIB as u64;
    let scratch = Scratch::new();
    let pool = Pool::builder().disk(LIMIT).memory(2 * MIB).dir(scratch.path()).build();
    let turn = AtomicU64::new(0);
    thread::scope(|scope| {
        for own in 0..2 {
            let (pool, turn) = (&pool, &turn);
            scope.spawn(move || {
                let content = content(own, MIB);
                for round in 0..50 {
                    let began = Instant::now();
                    while turn.load(Ordering::Acquire) % 2 != own {
                        assert!(began.elapsed() < Duration::from_secs(120), "the other one has failed");
                        thread::yield_now();
                    }
                    let len = MIB - round * 1000 * own as usize;
                    let mut spool = SpoolOptions::new().pool(pool).threshold(1000).build();
                    spool.write_all(&content[..len]).unwrap();
                    let mut seen = vec![];
                    spool.rewind().unwrap();
                    spool.read_to_end(&mut seen).unwrap();
                    assert_same(&seen, &content[..len], "by read_to_end");
                    drop(spool);
                    turn.fetch_add(1, Ordering::Release);
                }
            });
        }
    });
    assert_at_rest(&pool);
}

/// There is enough for all that anybody has at once, if what is kept gives way: so nobody is refused, nor rolls early.
#[test]
fn p8_nobody_is_refused_for_what_is_only_kept() {
    const EACH: usize = 100 * KIB;
    const TOGETHER: u64 = 4;
    let scratch = Scratch::new();
    let all = EACH * TOGETHER as usize;
    // A pool in which all has been used has little to free.
    for fresh in 0..40 {
        let pool = Pool::builder().memory(all).disk(all as u64).dir(scratch.path()).build();
        thread::scope(|scope| {
            for thread in 0..TOGETHER {
                let pool = &pool;
                scope.spawn(move || {
                    let content = content(thread, EACH);
                    let mut options = SpoolOptions::new();
                    let lens = numbers(EACH as u64, fresh * TOGETHER + thread + 1).map(|len| len as usize + 1);
                    for (round, len) in lens.take(1000).enumerate() {
                        // In one piece, which needs neither a window nor to grow twice.
                        let rolls = round % 2 == 0;
                        let len = if rolls { len.max(80 * KIB) } else { len };
                        options.pool(pool).threshold(if rolls { 0 } else { EACH });
                        options.overflow(if rolls { Overflow::Disk } else { Overflow::Fail });
                        let mut spool = options.build();
                        let done = spool.write(&content[..len]);
                        assert!(
                            done.as_ref().is_ok_and(|taken| *taken == len),
                            "{done:?} of {len}: {:?}",
                            pool.stats()
                        );
                        let mut seen = vec![0; len];
                        assert_eq!(spool.read_at(&mut seen, 0).unwrap(), len);
                        assert_same(&seen, &content[..len], "by read_at");
                    }
                });
            }
        });
        assert_at_rest(&pool);
    }
}

/// One who lives many lives of random kinds, and holds each against a model.
struct Worker<'a> {
    pool: &'a Pool,
    still: Option<&'a RwLock<()>>,
    numbers: Box<dyn Iterator<Item = u64> + Send>,
    content: Vec<u8>,
    most: usize,
    /// Views of earlier lives, and what they show.
    left: Vec<(SpooledBytes, Vec<u8>)>,
    bytes: Vec<(Bytes, Vec<u8>)>,
}

impl<'a> Worker<'a> {
    fn new(pool: &'a Pool, thread: u64, most: usize) -> Self {
        let content = content(thread, 2 * most);
        let numbers = Box::new(numbers(1 << 40, 0x9e37_79b9 * (thread + 1)));
        Worker { pool, still: None, numbers, content, most, left: vec![], bytes: vec![] }
    }

    fn number(&mut self, end: usize) -> usize {
        (self.numbers.next().unwrap() % end.max(1) as u64) as usize
    }

    /// All of it done, or some of it refused by the pool.
    fn live(&mut self) -> Result<(), ()> {
        let mut options = SpoolOptions::new();
        let threshold = [0, 1000, 64 * KIB, 100 * KIB, usize::MAX][self.number(5)];
        let overflow = [Overflow::Disk, Overflow::Disk, Overflow::Fail, Overflow::DiskOrMemory(MIB)][self.number(4)];
        options.pool(self.pool).threshold(threshold).overflow(overflow).backing(BACKINGS[self.number(2)]);
        let mut spool = options.build();
        let mut model: Vec<u8> = vec![];
        let mut whole = Ok(());
        for _ in 0..self.number(20) {
            let len = model.len();
            let done = match self.number(8) {
                0..=3 => {
                    let piece = self.piece();
                    let done = self.calmly(|| spool.seek(SeekFrom::End(0)).and_then(|_| spool.write(&piece)));
                    done.map(|taken| model.extend_from_slice(&piece[..taken]))
                }
                4 => {
                    let (at, piece) = (self.number(len + self.most / 8), self.piece());
                    let done = self.calmly(|| spool.write_at(&piece, at as u64));
                    done.map(|taken| {
                        if taken > 0 {
                            model.resize(len.max(at + taken), 0);
                            model[at..at + taken].copy_from_slice(&piece[..taken]);
                        }
                    })
                }
                5 => {
                    let to = self.number(len + self.most / 8);
                    let done = self.calmly(|| spool.set_len(to as u64));
                    assert!(done.is_ok() || to > len, "shrinking: {done:?}");
                    done.map(|()| model.resize(to, 0))
                }
                6 => {
                    let at = self.number(len + 1);
                    let mut seen = vec![0; self.number(200 * KIB)];
                    let read = self.calmly(|| spool.read_at(&mut seen, at as u64)).unwrap();
                    assert_same(&seen[..read], &model[at..len.min(at + seen.len())], "by read_at");
                    Ok(())
                }
                _ => {
                    spool.rewind().unwrap();
                    let piece = self.calmly(|| spool.fill_buf().map(<[u8]>::to_vec)).unwrap();
                    assert_same(&piece, &model[..piece.len()], "by fill_buf");
                    Ok(())
                }
            };
            whole = whole.and(done.or_else(refused));
        }
        assert_eq!(spool.len(), model.len() as u64);
        self.calmly(|| assert_reads(&mut spool, &model));
        match self.number(6) {
            0 => {
                let frozen = self.calmly(|| spool.freeze()).unwrap();
                self.left.push((frozen, model));
            }
            1 => {
                let frozen = self.calmly(|| spool.freeze()).unwrap();
                let bytes = self.calmly(|| frozen.to_bytes()).unwrap();
                self.bytes.push((bytes, model));
                self.calmly(|| drop(frozen));
            }
            // A file that has left is no file of the pool's.
            2 if self.still.is_none() => match spool.into_file() {
                Ok(mut file) => {
                    let mut seen = vec![];
                    file.rewind().unwrap();
                    file.read_to_end(&mut seen).unwrap();
                    assert_same(&seen, &model, "as a file");
                }
                Err(error) => {
                    let (error, mut spool) = error.into_parts();
                    let _ = refused(error);
                    assert_reads(&mut spool, &model);
                }
            },
            3 => {
                self.calmly(|| self.pool.trim());
                self.calmly(|| drop(spool));
            }
            _ => self.calmly(|| drop(spool)),
        }
        if self.left.len() > 1 {
            let (mut frozen, model) = self.left.remove(0);
            let mut seen = vec![];
            self.calmly(|| frozen.read_to_end(&mut seen)).unwrap();
            assert_same(&seen, &model, "by a view of an earlier life");
            self.calmly(|| drop(frozen));
        }
        if self.bytes.len() > 1 {
            let (bytes, model) = self.bytes.remove(0);
            assert_same(&bytes, &model, "by bytes of an earlier life");
            self.calmly(|| drop(bytes));
        }
        whole
    }

    fn piece(&mut self) -> Vec<u8> {
        let most = [100, 9000, self.most / 4][self.number(3)];
        let (at, len) = (self.number(self.most), 1 + self.number(most));
        self.content[at..at + len].to_vec()
    }

    /// Nobody counts while this happens.
    fn calmly<T>(&self, work: impl FnOnce() -> T) -> T {
        let _everybody = self.still.map(|still| still.read());
        work()
    }
}

/// Whether it was refused by the spool's own limit, or by the pool: by nothing else.
#[track_caller]
fn refused(error: io::Error) -> Result<(), ()> {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>());
    match (error.kind(), cause) {
        (ErrorKind::FileTooLarge, Some(_)) => Ok(()),
        (ErrorKind::QuotaExceeded, Some(_)) => Err(()),
        _ => panic!("{error:?}"),
    }
}

#[track_caller]
fn assert_reads(spool: &mut SpooledTempFile, model: &[u8]) {
    let mut seen = vec![];
    spool.rewind().unwrap();
    spool.read_to_end(&mut seen).unwrap();
    assert_same(&seen, model, "by read_to_end");
}

#[track_caller]
fn assert_sound(stats: &PoolStats) {
    let memory = [stats.memory_retained, stats.memory_used, stats.memory_limit];
    let disk = [stats.disk_retained, stats.disk_used, stats.disk_limit];
    assert!(memory.is_sorted() && disk.is_sorted(), "{stats:?}");
    assert!(stats.memory_peak <= stats.memory_limit && stats.disk_peak <= stats.disk_limit, "{stats:?}");
}

#[track_caller]
fn assert_at_rest(pool: &Pool) {
    let stats = pool.stats();
    assert_sound(&stats);
    assert_eq!((stats.memory_used, stats.disk_used), (stats.memory_retained, stats.disk_retained), "{stats:?}");
    assert_eq!((stats.spools, stats.rolled), (0, 0), "{stats:?}");
    pool.trim();
    let stats = pool.stats();
    assert_eq!((stats.memory_used, stats.disk_used), (0, 0), "{stats:?}");
}

/// Content of one thread's own: each byte says whose it is.
fn content(thread: u64, len: usize) -> Vec<u8> {
    numbers(16, thread + 77).map(|number| (thread as u8) << 4 | number as u8).take(len).collect()
}

/// The length of all files of this directory that this process has open.
#[cfg(target_os = "linux")]
fn length_of_all(directory: &std::path::Path) -> u64 {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    let mut files: Vec<(u64, u64)> = vec![];
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        let there = fs::read_link(&path).is_ok_and(|target| target.starts_with(directory));
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if there {
            files.push((metadata.ino(), metadata.len()));
        }
    }
    files.sort_unstable();
    files.dedup();
    files.into_iter().map(|(_, len)| len).sum()
}
