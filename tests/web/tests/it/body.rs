//! Content as a body: from the start for each clone, its length known.

use std::pin::pin;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use spooled::http::SpooledBody;
use spooled::{Backing, Pool, SpoolOptions, SpooledBytes};
use spooled_web_tests::{KIB, MIB, assert_at_rest, assert_same, bytes, comes_to_rest};

fn frozen(content: &[u8], threshold: usize, backing: Backing, pool: &Pool) -> SpooledBytes {
    let mut spool = SpoolOptions::new().threshold(threshold).backing(backing).pool(pool).build();
    std::io::Write::write_all(&mut spool, content).unwrap();
    spool.freeze().unwrap()
}

#[tokio::test]
async fn p1_a_body_is_the_content_and_says_how_long_it_is() {
    let pool = Pool::builder().build();
    for len in [1, 1000, 256 * KIB, 256 * KIB + 1, 3 * MIB] {
        let content = bytes(len, 1);
        for backing in [Backing::File, Backing::Mmap] {
            for threshold in [0, usize::MAX] {
                let mut body = frozen(&content, threshold, backing, &pool).into_body();
                let mut got = Vec::new();
                let mut frames = 0;
                while got.len() < len {
                    assert_eq!(body.size_hint().exact(), Some((len - got.len()) as u64));
                    assert!(!body.is_end_stream());
                    got.extend_from_slice(body.frame().await.unwrap().unwrap().data_ref().unwrap());
                    frames += 1;
                }
                assert_same(&got, &content, "the body");
                assert_eq!(frames, if threshold == 0 { len.div_ceil(256 * KIB) } else { 1 });
                assert!(body.is_end_stream());
                assert_eq!(body.size_hint().exact(), Some(0));
                assert!(body.frame().await.is_none());
                assert!(body.frame().await.is_none());
            }
        }
    }
    assert_at_rest(&pool);
}

#[tokio::test]
async fn p1_a_clone_begins_at_the_start() {
    let pool = Pool::builder().build();
    let content = bytes(MIB, 2);
    for threshold in [0, usize::MAX] {
        let mut body = frozen(&content, threshold, Backing::File, &pool).into_body();
        body.frame().await.unwrap().unwrap();
        let clone = body.clone();
        assert_eq!(clone.size_hint().exact(), Some(MIB as u64));
        let rest = body.collect().await.unwrap().to_bytes();
        assert_same(&rest, &content[MIB - rest.len()..], "the first one goes on");
        assert_same(&clone.collect().await.unwrap().to_bytes(), &content, "the clone");
    }
    assert_at_rest(&pool);
}

#[tokio::test]
async fn p1_an_empty_body_is_at_its_end() {
    let pool = Pool::builder().build();
    let rolled = SpoolOptions::new().pool(&pool).build();
    let rolled = {
        let mut rolled = rolled;
        rolled.roll().unwrap();
        rolled.freeze().unwrap()
    };
    assert!(rolled.is_rolled());
    for mut body in [SpooledBody::default(), SpooledBody::from(Bytes::new()), rolled.into()] {
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.frame().await.is_none());
    }
    assert_at_rest(&pool);
}

#[tokio::test]
async fn p9_memory_goes_out_without_a_copy() {
    let content = Bytes::from(bytes(MIB, 3));
    let mut body = SpooledBytes::from(content.clone()).into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!((frame.as_ptr(), frame.len()), (content.as_ptr(), content.len()));
}

#[tokio::test]
async fn p10_a_body_that_is_dropped_on_the_way_leaves_nothing() {
    let pool = Pool::builder().build();
    for frames in 0..5 {
        for wait in [false, true] {
            let mut body = frozen(&bytes(MIB, 4), 0, Backing::File, &pool).into_body();
            for _ in 0..frames {
                let _ = body.frame().await;
            }
            if wait {
                let mut next = pin!(body.frame());
                std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx).is_ready())).await;
            }
        }
    }
    comes_to_rest(&pool);
}

#[test]
fn p6_debug_says_how_much_and_not_what() {
    let body = SpooledBytes::from(b"secret".to_vec()).into_body();
    assert_eq!(format!("{body:?}"), r#"SpooledBody { left: 6/6, trailers: false, .. }"#);
}
