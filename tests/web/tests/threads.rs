//! P10 and P1 of the feature `tokio` on a runtime of many threads: spools and tails whose tasks are moved from thread to thread,
//! aborted at any point, and shut down at work.

use std::io::SeekFrom;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Pool, PoolStats, SpoolOptions, tail};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).max_blocking_threads(4).enable_all().build().unwrap()
}

fn directory() -> PathBuf {
    spooled::default_directory()
}

/// Bytes of which none is where another should be.
fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).to_le_bytes()
    });
    words.take(len.div_ceil(8)).flatten().take(len).collect()
}

/// What was on its way when its task went is over in a moment.
fn at_rest(pool: &Pool) -> PoolStats {
    for _ in 0..12_000 {
        let stats = pool.stats();
        if stats.spools == 0 && stats.memory_used == stats.memory_retained && stats.disk_used == stats.disk_retained {
            assert_eq!(stats.rolled, 0, "{stats:?}");
            return stats;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not at rest: {:?}", pool.stats());
}

/// Two hundred at once over one pool, whose memory is short.
#[test]
fn p1_p8_many_spools_on_many_threads_keep_each_their_own() {
    let pool = Pool::builder().memory(4 * MIB).dir(directory()).build();
    let runtime = runtime(4);
    runtime.block_on(async {
        let tasks = (0..200u64).map(|nth| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let content = bytes(1000 + (nth as usize * 7919) % 400_000, nth);
                let threshold = [0, 1000, 64 * KIB][nth as usize % 3];
                let mut spool =
                    AsyncSpooledTempFile::with_options(SpoolOptions::new().threshold(threshold).pool(&pool));
                for piece in content.chunks(3000 + nth as usize) {
                    spool.write_all(piece).await.unwrap();
                    if nth % 7 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                spool.seek(SeekFrom::Start(500)).await.unwrap();
                let mut seen = vec![];
                spool.read_to_end(&mut seen).await.unwrap();
                assert!(seen == content[500..], "spool {nth} holds something else");
                let frozen = spool.freeze().await.unwrap();
                assert!(frozen.to_bytes().unwrap() == content, "spool {nth} freezes to something else");
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    let stats = at_rest(&pool);
    assert!(stats.memory_peak <= 4 * MIB, "{stats:?}");
}

/// Whoever is aborted loses no byte that was accepted: the next one, on whatever thread, finds all of them, and goes on.
#[test]
fn p10_a_task_that_is_aborted_leaves_its_spool_whole() {
    let pool = Pool::builder().dir(directory()).build();
    let runtime = runtime(4);
    let aborted = AtomicUsize::new(0);
    runtime.block_on(async {
        for (round, threshold) in [0, 100 * KIB, 700_000].into_iter().enumerate() {
            let content: Arc<Vec<u8>> = Arc::new(bytes(16 * MIB, round as u64));
            let spool = AsyncSpooledTempFile::with_options(SpoolOptions::new().threshold(threshold).pool(&pool));
            let spool = Arc::new(Mutex::new(spool));
            let mut nth = 0;
            while (spool.lock().await.len() as usize) < content.len() {
                nth += 1;
                let task = tokio::spawn({
                    let (spool, content) = (Arc::clone(&spool), Arc::clone(&content));
                    async move {
                        let mut spool = spool.lock().await;
                        let end = spool.seek(SeekFrom::End(0)).await.unwrap() as usize;
                        let mut at = end;
                        while at < content.len() {
                            let piece = &content[at..][..(50_000 + nth * 13).min(content.len() - at)];
                            at += spool.write(piece).await.unwrap();
                            if nth % 3 == 0 {
                                spool.flush().await.unwrap();
                            }
                            if nth % 5 == 0 {
                                // Reading is begun in between, and goes on from the end.
                                spool.seek(SeekFrom::Start(at as u64 / 2)).await.unwrap();
                                let mut seen = [0; 1000];
                                let read = spool.read(&mut seen).await.unwrap();
                                assert!(seen[..read] == content[at / 2..][..read]);
                                spool.seek(SeekFrom::End(0)).await.unwrap();
                            }
                        }
                    }
                });
                sleep(Duration::from_micros(50 * (nth as u64 % 40))).await;
                task.abort();
                match task.await {
                    Ok(()) => {}
                    Err(error) if error.is_cancelled() => drop(aborted.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                }
                let spool = spool.lock().await;
                assert!(spool.len() as usize <= content.len());
            }
            let spool = Arc::into_inner(spool).unwrap().into_inner();
            let spool = spool.into_spool().await.unwrap();
            let mut seen = vec![0; content.len() + 1];
            assert_eq!(spool.read_at(&mut seen, 0).unwrap(), content.len());
            assert!(seen[..content.len()] == content[..], "round {round} lost something");
        }
    });
    assert!(aborted.into_inner() > 0, "nobody was aborted");
    at_rest(&pool);
}

/// The same by a time limit, on the runtime of one thread as well.
#[test]
fn p10_operations_that_time_out_can_be_made_again() {
    let current = Builder::new_current_thread().enable_all().build().unwrap();
    for runtime in [runtime(2), current] {
        runtime.block_on(async {
            let content = bytes(4 * MIB, 9);
            let mut options = SpoolOptions::new();
            options.threshold(1000).dir(directory());
            let mut spool = AsyncSpooledTempFile::with_options(&options);
            let (mut at, mut timed_out) = (0, 0);
            while at < content.len() {
                let piece = &content[at..][..100_000.min(content.len() - at)];
                // A time limit of no time, which a timer would make a millisecond.
                tokio::select! {
                    biased;
                    count = spool.write(piece) => at += count.unwrap(),
                    () = std::future::ready(()) => timed_out += 1,
                }
                tokio::task::yield_now().await;
                assert_eq!((spool.position(), spool.len()), (at as u64, at as u64));
            }
            assert!(timed_out > 0, "nothing ever waited");
            spool.rewind().await.unwrap();
            let mut seen = vec![];
            spool.read_to_end(&mut seen).await.unwrap();
            assert!(seen == content);
        });
    }
}

/// A runtime that is shut down at work, with its tasks and what they had.
#[test]
fn p8_p10_a_runtime_that_is_shut_down_at_work_leaves_nothing_behind() {
    let pool = Pool::builder().dir(directory()).build();
    for wait in [0, 1, 5, 20] {
        let runtime = runtime(3);
        for nth in 0..20u64 {
            let pool = pool.clone();
            runtime.spawn(async move {
                let content = bytes(300_000, nth);
                loop {
                    let mut spool = AsyncSpooledTempFile::with_options(SpoolOptions::new().threshold(0).pool(&pool));
                    let (mut writer, reader) = tail::channel(SpoolOptions::new().threshold(1000).pool(&pool));
                    let mut reader = Box::pin(reader.into_stream(10_000));
                    for piece in content.chunks(30_000) {
                        spool.write_all(piece).await.unwrap();
                        writer.write_all(piece).await.unwrap();
                        writer.flush().await.unwrap();
                        next(&mut reader).await.unwrap().unwrap();
                    }
                    spool.rewind().await.unwrap();
                    let mut seen = vec![];
                    spool.read_to_end(&mut seen).await.unwrap();
                    assert!(seen == content);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(wait));
        if wait % 2 == 0 {
            runtime.shutdown_timeout(Duration::from_secs(10))
        } else {
            runtime.shutdown_background()
        }
        at_rest(&pool);
    }
}

/// One writer, and readers that are tasks and threads, whichever thread the tasks are on.
#[test]
fn p1_a_tail_is_followed_by_tasks_and_threads_alike() {
    let runtime = runtime(4);
    for (nth, threshold) in [0, 100 * KIB, usize::MAX].into_iter().enumerate() {
        let content = Arc::new(bytes(4 * MIB, nth as u64));
        let mut options = SpoolOptions::new();
        options.threshold(threshold).dir(directory());
        let (mut writer, reader) = tail::channel(&options);
        let tasks: Vec<_> = (0..20)
            .map(|nth| {
                let (reader, content) = (reader.clone(), Arc::clone(&content));
                runtime.spawn(async move {
                    let mut at = 0;
                    if nth % 2 == 0 {
                        let mut stream = Box::pin(reader.into_stream(1000 * (nth + 1)));
                        while let Some(piece) = next(&mut stream).await {
                            let piece = piece.unwrap();
                            assert!(piece == content[at..][..piece.len()], "behind {at}");
                            at += piece.len();
                        }
                    } else {
                        let (mut reader, mut buf) = (reader, vec![0; 777 * nth]);
                        loop {
                            let read = reader.read(&mut buf).await.unwrap();
                            assert!(buf[..read] == content[at..][..read], "behind {at}");
                            at += read;
                            if read == 0 {
                                break;
                            }
                        }
                    }
                    assert_eq!(at, content.len());
                })
            })
            .collect();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let mut reader = reader.clone();
                std::thread::spawn(move || {
                    let mut seen = vec![];
                    std::io::Read::read_to_end(&mut reader, &mut seen).map(|_| seen)
                })
            })
            .collect();
        drop(reader);
        runtime.block_on(async {
            for (nth, piece) in content.chunks(10_001).enumerate() {
                writer.write_all(piece).await.unwrap();
                if nth % 40 == 0 {
                    writer.flush().await.unwrap();
                    sleep(Duration::from_micros(200)).await;
                }
            }
            writer.shutdown().await.unwrap();
            for task in tasks {
                timeout(Duration::from_secs(30), task).await.expect("somebody waits for what is there").unwrap();
            }
        });
        for thread in threads {
            assert!(thread.join().unwrap().unwrap() == *content);
        }
    }
}

/// A writer whose task is aborted at work has abandoned its readers, and each is told so.
#[test]
fn p10_a_writer_that_is_aborted_is_told_to_all_who_wait() {
    let runtime = runtime(3);
    let pool = Pool::builder().dir(directory()).build();
    runtime.block_on(async {
        for round in 0..30u64 {
            let content = Arc::new(bytes(MIB, round));
            let (mut writer, reader) = tail::channel(SpoolOptions::new().threshold(0).pool(&pool));
            let writing = tokio::spawn({
                let content = Arc::clone(&content);
                async move {
                    loop {
                        writer.write_all(&content).await.unwrap();
                        writer.flush().await.unwrap();
                        tokio::task::yield_now().await;
                    }
                }
            });
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    let (mut reader, content) = (reader.clone(), Arc::clone(&content));
                    tokio::spawn(async move {
                        let (mut at, mut buf) = (0, vec![0; 60_000]);
                        loop {
                            match reader.read(&mut buf).await {
                                Ok(0) => panic!("an end, where there is none"),
                                Ok(read) => {
                                    let from = at % MIB;
                                    let (one, two) = buf[..read].split_at(read.min(MIB - from));
                                    assert!(one == &content[from..][..one.len()], "behind {at}");
                                    assert!(two == &content[..two.len()], "behind {at}");
                                    at += read;
                                }
                                Err(error) => {
                                    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error:?}");
                                    assert!(error.get_ref().unwrap().is::<tail::Abandoned>());
                                    break at as u64;
                                }
                            }
                        }
                    })
                })
                .collect();
            sleep(Duration::from_micros(100 * round)).await;
            writing.abort();
            assert!(writing.await.unwrap_err().is_cancelled());
            let mut ends = vec![];
            for reader in readers {
                ends.push(timeout(Duration::from_secs(30), reader).await.expect("somebody waits for ever").unwrap());
            }
            assert!(ends.iter().all(|end| *end == ends[0] && *end == reader.published()), "{ends:?}");
        }
    });
    at_rest(&pool);
}

async fn next<S>(stream: &mut std::pin::Pin<Box<S>>) -> Option<S::Item>
where
    S: futures_core::Stream,
{
    std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await
}
