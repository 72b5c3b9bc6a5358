//! A body that does what it is told, and counts how often it is asked.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

#[derive(Debug, Clone)]
pub enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Not now, but at once afterwards.
    Wait,
    /// Never.
    Hang,
    Fail,
}

#[derive(Debug, Clone, Default)]
pub struct Script {
    steps: VecDeque<Step>,
    hint: SizeHint,
    polls: Arc<AtomicUsize>,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    /// `content` in frames of `size` bytes, after each of which it waits if told so.
    pub fn of(content: &Bytes, size: usize, waits: bool) -> Self {
        let mut script = Self::default();
        let mut rest = content.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(size.min(rest.len()));
            script.steps.push_back(Step::Data(piece));
            if waits {
                script.steps.push_back(Step::Wait);
            }
        }
        script
    }

    pub fn then(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    pub fn says_it_has(mut self, least: u64) -> Self {
        self.hint.set_lower(least);
        self
    }

    /// How often it was asked.
    pub fn polls(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.polls)
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        if let Some(Step::Hang) = self.steps.front() {
            return Poll::Pending;
        }
        match self.steps.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Fail) => Poll::Ready(Some(Err(io::Error::other("as it was told")))),
            Some(Step::Wait | Step::Hang) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
