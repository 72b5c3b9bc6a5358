//! Spools for tasks: memory, and what the page cache has.
//!
//! The work is a task of a runtime, as it is in a service. The runtime has one thread for what blocks. Nobody here has more
//! than one operation under way, and when that thread has come to the end of its queue, a file that was let go of there is
//! closed: so closing it counts, wherever it happens.

use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::io::SeekFrom;
use std::path::Path;
use std::time::Instant;

use spooled::Backing;
use spooled::tokio::AsyncSpooledTempFile;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

use crate::harness::{Row, Sample};
use crate::peers::{file, ours};
use crate::work::{KIB, MIB, Piece, XorShift, content, glance};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    [Threads::One, Threads::Two].into_iter().flat_map(|threads| of_a_runtime(dir, threads)).collect()
}

fn of_a_runtime(dir: &Path, threads: Threads) -> Vec<Row<'_>> {
    let on_disk = format!("tasks: 64 MiB on disk, written and read in pieces of 4 KiB, {threads}");
    let ours_on_disk = move || lives(threads, move || AsyncSpooledTempFile::from(ours::rolled(dir, Backing::File)));
    vec![
        Row::new(
            format!("tasks: 16 MiB in memory in writes of 64 B, {threads}"),
            "`AsyncWrite` for `Vec`",
            2.0,
            move || writes_in_memory(threads, || AsyncSpooledTempFile::new(16 * MIB)),
            move || writes_in_memory(threads, Vec::new),
        ),
        Row::new(on_disk.clone(), "`tokio::fs::File` in a `BufStream` of 64 KiB", 0.8, ours_on_disk, move || {
            lives(threads, move || buffered(File::from_std(file::new(dir))))
        }),
        // Its file is made in `TMPDIR`.
        Row::new(
            on_disk.clone(),
            "`async-spooled-tempfile` in a `BufStream` of 64 KiB",
            0.7,
            ours_on_disk,
            move || lives(threads, || buffered(async_spooled_tempfile::SpooledTempFile::new(0))),
        ),
        Row::new(on_disk, "`async-spooled-tempfile` as it is", 0.7, ours_on_disk, move || {
            lives(threads, || async_spooled_tempfile::SpooledTempFile::new(0))
        })
        .rounds(5),
        Row::new(
            format!("tasks: random reads of 4 KiB, {threads}"),
            "`tokio::fs::File`, seek and read",
            0.2,
            move || random_reads(threads, AsyncSpooledTempFile::from(ours::filled(dir, Backing::File, &content(LEN)))),
            move || random_reads(threads, File::from_std(file::filled(dir, &content(LEN)))),
        ),
    ]
}

/// A runtime's.
#[derive(Clone, Copy)]
pub enum Threads {
    One,
    Two,
}

impl Threads {
    pub fn runtime(self) -> Runtime {
        let mut builder = match self {
            Self::One => Builder::new_current_thread(),
            Self::Two => Builder::new_multi_thread(),
        };
        builder.worker_threads(2).max_blocking_threads(1).enable_all().build().expect("a runtime")
    }

    /// What `work` is again and again, as a task. What it works with goes along and comes back.
    pub fn run<S, W>(self, state: S, work: impl Fn(S) -> W) -> impl FnMut() -> Sample
    where
        S: Send + 'static,
        W: Future<Output = (S, Sample)> + Send + 'static,
    {
        let runtime = self.runtime();
        let mut state = Some(state);
        move || {
            let task = runtime.spawn(work(state.take().expect("it comes back")));
            let (back, sample) = runtime.block_on(task).expect("done");
            state = Some(back);
            sample
        }
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "on one thread",
            Self::Two => "on two threads",
        })
    }
}

/// Times `work`, and the closing of what it lets go of.
pub async fn timed(operations: usize, work: impl Future<Output = u64>) -> Sample {
    let start = Instant::now();
    let answer = black_box(work.await);
    spawn_blocking(|| ()).await.expect("done");
    Sample::new(start.elapsed(), operations, answer)
}

fn writes_in_memory<W>(threads: Threads, make: impl Fn() -> W) -> impl FnMut() -> Sample
where
    W: AsyncWrite + Unpin + Send + 'static,
{
    threads.run(Piece::new(64), move |mut piece| {
        let mut sink = make();
        async move {
            let bytes = piece.turn();
            let sample = timed(16 * MIB / 64, async move {
                write_pieces(&mut sink, bytes, 16 * MIB).await;
                black_box(&sink);
                16 * MIB as u64
            });
            let sample = sample.await;
            (piece, sample)
        }
    })
}

/// Making the file is not timed; reading it back is, and dropping it.
fn lives<F>(threads: Threads, make: impl Fn() -> F) -> impl FnMut() -> Sample
where
    F: AsyncRead + AsyncWrite + AsyncSeek + Unpin + Send + 'static,
{
    const PIECE: usize = 4 * KIB;
    let (mut kept, piece) = (make(), content(PIECE));
    threads.runtime().block_on(async {
        write_pieces(&mut kept, &piece, MIB).await;
        assert_pieces(&mut kept, &piece, MIB).await;
        kept.flush().await.expect("flushed");
    });
    threads.run((Piece::new(PIECE), Piece::new(PIECE)), move |(mut piece, mut buf)| {
        let mut file = make();
        async move {
            let (bytes, into) = (piece.turn(), buf.turn());
            let sample = timed(1, async move {
                write_pieces(&mut file, bytes, LEN).await;
                file.flush().await.expect("flushed");
                file.rewind().await.expect("rewound");
                let mut read = 0;
                for _ in 0..LEN / PIECE {
                    read += file.read_exact(into).await.expect("read");
                    // What is read is another sum each turn.
                    black_box(glance(into));
                }
                read as u64
            });
            let sample = sample.await;
            ((piece, buf), sample)
        }
    })
}

fn random_reads<F>(threads: Threads, file: F) -> impl FnMut() -> Sample
where
    F: AsyncRead + AsyncSeek + Unpin + Send + 'static,
{
    const COUNT: usize = 2000;
    threads.run((file, Piece::new(4 * KIB)), |(mut file, mut buf)| async move {
        let into = buf.turn();
        let sample = timed(COUNT, async {
            let (mut places, mut sum) = (XorShift::new(), 0);
            for _ in 0..COUNT {
                let place = places.multiple_of(into.len(), LEN);
                file.seek(SeekFrom::Start(place)).await.expect("sought");
                let read = file.read(into).await.expect("read");
                sum += glance(&into[..read]);
            }
            sum
        });
        let sample = sample.await;
        ((file, buf), sample)
    })
}

fn buffered<F: AsyncRead + AsyncWrite>(file: F) -> BufStream<F> {
    BufStream::with_capacity(64 * KIB, 64 * KIB, file)
}

async fn write_pieces(sink: &mut (impl AsyncWrite + Unpin), piece: &[u8], total: usize) {
    for _ in 0..total / piece.len() {
        sink.write_all(piece).await.expect("written");
    }
}

async fn assert_pieces(source: &mut (impl AsyncRead + AsyncWrite + AsyncSeek + Unpin), piece: &[u8], total: usize) {
    source.flush().await.expect("flushed");
    source.rewind().await.expect("rewound");
    let mut buf = vec![0; piece.len()];
    for _ in 0..total / piece.len() {
        source.read_exact(&mut buf).await.expect("read");
        assert!(buf == piece, "what was read is not what was written");
    }
    assert_eq!(source.read(&mut buf).await.expect("read"), 0, "longer than what was written");
}

const LEN: usize = 64 * MIB;
