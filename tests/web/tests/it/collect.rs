//! A body into a spool: content, limits, and what is left when it fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full, StreamBody};
use spooled::http::{CollectError, Collected, collect};
use spooled::{Limit, LimitError, Overflow, Pool, SpoolOptions};
use spooled_web_tests::{KIB, MIB, Mount, Script, Step, assert_at_rest, assert_same, bytes, comes};

#[tokio::test]
async fn p1_the_content_is_what_the_frames_were() {
    the_content_is_what_the_frames_were().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_the_content_is_what_the_frames_were_on_many_threads() {
    the_content_is_what_the_frames_were().await;
}

async fn the_content_is_what_the_frames_were() {
    // Much memory, little, and none to speak of.
    let pools = [100 * KIB, 1].map(|memory| Some(Pool::builder().memory(memory).build()));
    for pool in pools.into_iter().chain([None]) {
        let few = [(2, 1), (2000, 500), (8000, 1000), (9000, 1000), (21 * KIB, 7 * KIB)];
        let many = [(5000, 7), (100 * KIB, 1000), (300 * KIB, 5000), (3 * MIB, 64 * KIB), (2 * MIB, MIB)];
        for (len, size) in [(0, 1), (1, 1)].into_iter().chain(few).chain(many) {
            let content = Bytes::from(bytes(len, 1));
            for threshold in [0, len / 2, len, usize::MAX] {
                for (waits, hint) in [(false, 0), (true, 0), (false, len), (true, len / 2)] {
                    let mut options = SpoolOptions::new();
                    options.threshold(threshold);
                    if let Some(pool) = &pool {
                        options.pool(pool);
                    }
                    let body = Script::of(&content, size, waits).says_it_has(hint as u64);
                    let Collected { content: got, trailers } = collect(body, &options).await.unwrap();
                    let what = format!("{len} bytes by {size}, threshold {threshold}, of {hint}");
                    assert_same(&got.to_bytes().unwrap(), &content, &what);
                    assert!(trailers.is_none());
                    assert!(got.is_rolled() || len <= threshold, "{what}");
                    if pool.is_none() {
                        assert_eq!(got.is_rolled(), len > threshold, "{what}");
                    }
                }
            }
        }
        if let Some(pool) = &pool {
            assert_at_rest(pool);
        }
    }
}

#[tokio::test]
async fn p1_small_frames_and_large_ones_keep_their_order() {
    let sizes = [1, 4095, 4096, 3, 100_000, 10, 10, 70_000, 1, 300_000, 2];
    let mut steps = Vec::new();
    let mut content = Vec::new();
    for (number, size) in sizes.iter().cycle().take(200).enumerate() {
        let frame = bytes(*size, number as u64);
        content.extend_from_slice(&frame);
        steps.push(Step::Data(frame.into()));
        if number % 3 == 0 {
            steps.push(Step::Data(Bytes::new()));
            steps.push(Step::Wait);
        }
    }
    let collected = collect(Script::new(steps), SpoolOptions::new().threshold(10_000)).await.unwrap();
    assert_same(&collected.content.to_bytes().unwrap(), &content, "mixed frames");
}

/// Frames that came in much more than they are, and are counted as long as anybody holds them.
struct Large {
    bytes: Vec<u8>,
    _held: Arc<()>,
}

impl AsRef<[u8]> for Large {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Large {
    /// So many frames of `len` bytes; beside each one, how many there are is noted.
    fn frames(
        held: &Arc<()>,
        most: &Arc<AtomicUsize>,
        count: usize,
        len: usize,
    ) -> StreamBody<Iter<impl Iterator<Item = io::Result<http_body::Frame<Bytes>>> + use<>>> {
        let (held, most) = (held.clone(), most.clone());
        StreamBody::new(Iter((0..count).map(move |number| {
            let large = Large { bytes: vec![number as u8; MIB], _held: held.clone() };
            // Beside this one and the test's.
            most.fetch_max(Arc::strong_count(&held) - 2, Ordering::Relaxed);
            Ok(http_body::Frame::data(Bytes::from_owner(large).slice(..len)))
        })))
    }
}

#[tokio::test]
async fn p3_no_more_than_eight_small_frames_hold_what_they_came_in() {
    let (held, most) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    let collected = collect(Large::frames(&held, &most, 1000, 1), &SpoolOptions::new()).await.unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(most.load(Ordering::Relaxed), 8 + 1);
    let expected: Vec<_> = (0..1000).map(|number| number as u8).collect();
    assert_same(&collected.content.to_bytes().unwrap(), &expected, "single bytes");
}

/// However it ends: in one frame, in a few, in memory, on disk, or not well.
#[tokio::test]
async fn p3_what_is_ready_holds_nothing_and_is_not_polled_again() {
    for (count, len, threshold) in [(1, 2000, MIB), (3, 10, MIB), (9, 5000, MIB), (9, 5000, 1000), (3, 40_000, MIB)] {
        let (held, most) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
        let mut options = SpoolOptions::new();
        options.threshold(threshold).max_len(100_000);
        let mut collecting = std::pin::pin!(collect(Large::frames(&held, &most, count, len), &options));
        let done = collecting.as_mut().await;
        assert_eq!(done.is_ok(), count * len <= 100_000);
        // The only frame stays what it came in.
        assert_eq!(Arc::strong_count(&held), if count == 1 { 2 } else { 1 }, "{count} of {len}");
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| collecting.as_mut().poll(&mut cx)));
        assert!(again.is_err(), "{count} of {len} came twice");
    }
}

#[tokio::test]
async fn p1_frames_that_are_not_in_one_piece_go_in_whole() {
    let frames = (0..100).map(|_| Ok::<_, io::Error>(http_body::Frame::data(&b"a slice is no Bytes. "[..])));
    let body = StreamBody::new(Iter(frames))
        .map_frame(|frame| frame.map_data(|data| bytes::Buf::chain(data, &b"Nor is a chain of two."[..])));
    let collected = collect(body, SpoolOptions::new().threshold(1000)).await.unwrap();
    let content = b"a slice is no Bytes. Nor is a chain of two.".repeat(100);
    assert_same(&collected.content.to_bytes().unwrap(), &content, "chains");
}

#[tokio::test]
async fn p1_trailers_come_along() {
    for threshold in [0, 100] {
        let content = Bytes::from_static(b"content");
        let mut first = HeaderMap::new();
        first.insert("checksum", HeaderValue::from_static("17"));
        let mut second = HeaderMap::new();
        second.insert("signed", HeaderValue::from_static("by me"));
        let body =
            Script::of(&content, 3, true).then(Step::Trailers(first)).then(Step::Wait).then(Step::Trailers(second));
        let collected = collect(body, SpoolOptions::new().threshold(threshold)).await.unwrap();
        let trailers = collected.trailers.clone().unwrap();
        let mut body = collected.clone().into_body();
        while !http_body::Body::is_end_stream(&body) && http_body::Body::size_hint(&body).exact() > Some(0) {
            body.frame().await.unwrap().unwrap();
        }
        assert!(!http_body::Body::is_end_stream(&body), "its trailers are still to come");
        assert!(body.frame().await.unwrap().unwrap().is_trailers() && http_body::Body::is_end_stream(&body));
        assert_eq!((&trailers["checksum"], &trailers["signed"]), (&"17".parse().unwrap(), &"by me".parse().unwrap()));
        let again = collected.into_body().collect().await.unwrap();
        assert_eq!(again.trailers(), Some(&trailers));
        assert_eq!(again.to_bytes(), content);
    }
}

#[tokio::test]
async fn p8_the_frame_that_would_pass_the_limit_is_the_last_one_asked_for() {
    let content = Bytes::from(bytes(1000 * KIB, 2));
    for threshold in [0, 10 * KIB, usize::MAX] {
        for size in [1000, 10 * KIB, 100 * KIB] {
            for limit in [0, 1, 99_999, 500 * KIB, 1000 * KIB - 1] {
                let pool = Pool::builder().build();
                let mut options = SpoolOptions::new();
                options.threshold(threshold).max_len(limit as u64).pool(&pool);
                let body = Script::of(&content, size, false);
                let polls = body.polls();
                let refused = collect(body, &options).await.unwrap_err();
                assert!(matches!(refused, CollectError::TooLarge { limit: it } if it == limit as u64), "{refused:?}");
                assert_eq!(refused.status(), 413);
                assert_eq!(polls.load(Ordering::Relaxed), limit / size + 1, "frames of {size}, limit {limit}");
                assert_at_rest(&pool);
                let stats = pool.stats();
                assert!(stats.disk_peak <= limit as u64 + (16 << 20), "{stats}");
            }
            // And one that just fits does.
            let body = Script::of(&content, size, false);
            let options = SpoolOptions::new().threshold(threshold).max_len(content.len() as u64).clone();
            assert_eq!(collect(body, &options).await.unwrap().content.len(), content.len() as u64);
        }
    }
}

#[tokio::test]
async fn p8_a_body_that_says_it_is_too_long_is_not_asked() {
    let mut by_length = SpoolOptions::new();
    by_length.max_len(999);
    let mut by_memory = SpoolOptions::new();
    by_memory.threshold(999).overflow(Overflow::Fail);
    for options in [by_length, by_memory] {
        let body = Script::of(&Bytes::from(vec![1; 1000]), 10, false).says_it_has(1000);
        let polls = body.polls();
        let refused = collect(body, &options).await.unwrap_err();
        assert!(matches!(refused, CollectError::TooLarge { limit: 999 }), "{refused:?}");
        assert_eq!(polls.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn p8_where_memory_is_the_limit_it_is_too_large() {
    let content = Bytes::from(bytes(100 * KIB, 3));
    let missing = "/does/not/exist";
    for overflow in [Overflow::Fail, Overflow::DiskOrMemory(50 * KIB)] {
        let limit = if overflow == Overflow::Fail { 20 * KIB } else { 50 * KIB };
        for len in [limit, limit + 1] {
            let mut options = SpoolOptions::new();
            options.threshold(20 * KIB).overflow(overflow).dir(missing);
            let collected = collect(Script::of(&content.slice(..len), 3000, false), &options).await;
            match collected {
                Ok(collected) => {
                    assert_eq!(len, limit);
                    assert!(!collected.content.is_rolled());
                    assert_same(&collected.content.to_bytes().unwrap(), &content[..len], "in memory");
                }
                Err(refused) => {
                    assert!(
                        matches!(refused, CollectError::TooLarge { limit: it } if it == limit as u64),
                        "{refused:?}"
                    );
                    assert_eq!(len, limit + 1);
                }
            }
        }
    }
}

#[tokio::test]
async fn p8_a_pool_without_disk_refuses_with_507_and_is_whole_again() {
    let pool = Pool::builder().memory(64 * KIB).disk(MIB as u64).build();
    let mut options = SpoolOptions::new();
    options.threshold(16 * KIB).pool(&pool);
    let content = Bytes::from(bytes(MIB + 1, 4));
    for size in [100, 10 * KIB, MIB + 1] {
        for hint in [0, content.len() as u64] {
            let refused = collect(Script::of(&content, size, false).says_it_has(hint), &options).await.unwrap_err();
            assert_eq!(refused.status(), 507, "{refused:?}");
            let CollectError::Disk(error) = refused else { panic!("{refused:?}") };
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>()).unwrap();
            assert_eq!((cause.which(), cause.limit()), (Limit::PoolDisk, MIB as u64));
            assert_at_rest(&pool);
        }
    }
    let stored = collect(Full::new(content.slice(..MIB)), &options).await.unwrap();
    assert_same(&stored.content.to_bytes().unwrap(), &content[..MIB], "all that the pool has");
    let stats = pool.stats();
    assert!(stats.disk_peak <= MIB as u64 && stats.memory_peak <= 64 * KIB, "{stats}");
}

#[tokio::test]
async fn p8_a_body_that_fails_leaves_nothing() {
    let content = Bytes::from(bytes(2 * MIB, 5));
    for threshold in [0, 100 * KIB, usize::MAX] {
        for (size, frames) in [(1000, 0), (1000, 1), (1000, 500), (70_000, 10), (300_000, 5)] {
            for waits in [false, true] {
                let pool = Pool::builder().build();
                let mut options = SpoolOptions::new();
                options.threshold(threshold).pool(&pool);
                let body = Script::of(&content.slice(..size * frames), size, waits).then(Step::Fail);
                let failed = collect(body, &options).await.unwrap_err();
                assert_eq!(failed.status(), 400);
                assert!(matches!(&failed, CollectError::Body(error) if error.to_string() == "as it was told"));
                assert_at_rest(&pool);
            }
        }
    }
}

#[tokio::test]
async fn p2_a_disk_that_fills_in_the_middle_is_507_and_leaves_nothing() {
    let Some(disk) = Mount::of(MIB) else { return };
    let free = disk.free();
    let content = Bytes::from(bytes(4 * MIB, 6));
    for size in [1000, 50_000, 4 * MIB] {
        for hint in [0, content.len() as u64] {
            let mut options = SpoolOptions::new();
            options.threshold(100 * KIB).dir(disk.path());
            let body = Script::of(&content, size, true).says_it_has(hint);
            let refused = collect(body, &options).await.unwrap_err();
            assert_eq!(refused.status(), 507, "{refused:?}");
            let CollectError::Disk(error) = refused else { panic!("{refused:?}") };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(error.to_string().contains(disk.path().to_str().unwrap()), "{error}");
            // A child that another test has just forked holds our file until it calls `exec`.
            assert!(comes(|| disk.free() == free).await, "{} in place of {free} are left", disk.free());
        }
    }
    let fits = collect(Full::new(content.slice(..900 * KIB)), SpoolOptions::new().dir(disk.path())).await.unwrap();
    assert_same(&fits.content.to_bytes().unwrap(), &content[..900 * KIB], "what fits");
}

/// A client that dawdles must not keep a refusal from being told.
#[tokio::test]
async fn p2_a_disk_that_is_full_is_told_while_the_body_hangs() {
    let mut options = SpoolOptions::new();
    options.threshold(0).dir("/does/not/exist");
    let body = Script::of(&Bytes::from(vec![1; 300 * KIB]), 300 * KIB, false).then(Step::Hang);
    let refused = collect(body, &options).await.unwrap_err();
    assert_eq!(refused.status(), 500);
    assert!(matches!(&refused, CollectError::Disk(error) if error.kind() == io::ErrorKind::NotFound), "{refused:?}");
}

#[test]
fn p7_outside_a_runtime_what_needs_the_disk_is_an_error() {
    let pool = Pool::builder().build();
    let mut options = SpoolOptions::new();
    options.threshold(100).pool(&pool);
    let mut memory = std::pin::pin!(collect(Full::new(Bytes::from(vec![7; 100])), &options));
    let std::task::Poll::Ready(Ok(collected)) = poll(memory.as_mut()) else { panic!("memory needs no runtime") };
    assert_eq!(collected.content.len(), 100);
    drop(collected);
    let mut disk = std::pin::pin!(collect(Full::new(Bytes::from(vec![7; 101])), &options));
    let std::task::Poll::Ready(Err(refused)) = poll(disk.as_mut()) else { panic!("it should not wait") };
    assert!(matches!(&refused, CollectError::Disk(error) if error.kind() == io::ErrorKind::Other), "{refused:?}");
    assert_eq!(refused.status(), 500);
    assert_at_rest(&pool);
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

/// A stream of what an iterator gives.
struct Iter<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}
