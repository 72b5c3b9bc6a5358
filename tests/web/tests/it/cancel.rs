//! Futures that are dropped at each place where they wait.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use spooled::http::{collect, spool_field};
use spooled::{Pool, SpoolOptions};
use spooled_web_tests::{KIB, MIB, Script, assert_at_rest, assert_same, bytes, comes, comes_to_rest};

/// Polls `future` up to `most` times; `None` if it was not done by then.
async fn polled<F: Future>(future: F, most: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        if polls == most {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == most => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn p10_collecting_may_be_dropped_wherever_it_waits() {
    let content = Bytes::from(bytes(MIB, 1));
    for (memory, threshold, size) in
        [(MIB, 0, 100 * KIB), (MIB, 200 * KIB, 70 * KIB), (20 * KIB, 10 * KIB, 10 * KIB), (MIB, usize::MAX, 100 * KIB)]
    {
        let pool = Pool::builder().memory(memory).build();
        let mut options = SpoolOptions::new();
        options.threshold(threshold).pool(&pool);
        for most in 0.. {
            let done = polled(collect(Script::of(&content, size, true), &options), most).await;
            if let Some(collected) = done {
                assert_same(&collected.unwrap().content.to_bytes().unwrap(), &content, "in the end");
                assert!(most > content.len() / size);
                break;
            }
            comes_to_rest(&pool);
        }
        assert_at_rest(&pool);
    }
}

#[tokio::test]
async fn p10_a_field_may_be_dropped_wherever_it_waits() {
    let pool = Pool::builder().build();
    let mut options = SpoolOptions::new();
    options.threshold(10 * KIB).pool(&pool);
    let content = Bytes::from(bytes(600 * KIB, 2));
    for most in 0.. {
        let field = http_body_util::BodyDataStream::new(Script::of(&content, 50 * KIB, true));
        if let Some(stored) = polled(spool_field(field, &options), most).await {
            assert_same(&stored.unwrap().to_bytes().unwrap(), &content, "in the end");
            break;
        }
        comes_to_rest(&pool);
    }
    comes_to_rest(&pool);
}

/// Without a pool it is the disk itself that must be as it was.
#[tokio::test]
async fn p10_a_large_one_that_is_dropped_gives_its_disk_back() {
    let Some(disk) = spooled_web_tests::Mount::of(16 * MIB) else { return };
    let free = disk.free();
    let content = Bytes::from(bytes(4 * MIB, 3));
    let mut options = SpoolOptions::new();
    options.dir(disk.path());
    for most in [1, 5, 20, 40, 60] {
        let done = polled(collect(Script::of(&content, 64 * KIB, true), &options), most).await;
        assert!(done.is_none());
        assert!(comes(|| disk.free() == free).await, "{} in place of {free} after {most} polls", disk.free());
    }
}
