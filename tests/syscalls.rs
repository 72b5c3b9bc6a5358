//! System calls, counted by the kernel: none before the rollover, one for each window after it.
//!
//! Reads and writes come from the thread's own `io` in `/proc`, less what reading it costs. That there are none of any
//! kind is shown by a kernel that kills for the first. The rest, where it is installed, by `strace`.
#![cfg(target_os = "linux")]

mod ground;

use std::fs;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use ground::calls::{Cost, Io, only, without_calls};
use ground::mount::Mount;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_same, bytes, child, numbers, options, strace};
use spooled::{Backing, Pool, SpoolOptions, SpooledTempFile};

const WINDOW: usize = 64 * KIB;
/// For a start and an end that do not fall on a window's edge.
const A_FEW: u64 = 3;

#[test]
fn p9_before_the_rollover_there_is_no_system_call_on_files() {
    let scratch = Scratch::new();
    without_calls(
        "p9_before_the_rollover_there_is_no_system_call_on_files",
        scratch.path(),
        |directory| directory.to_owned(),
        |directory| {
            for backing in BACKINGS {
                drop(SpooledTempFile::new(0));
                let mut spool = options(&directory, MIB, backing).build();
                let mut buf = [0; 1000];
                for _ in 0..500 {
                    spool.write_all(&buf).unwrap();
                }
                spool.write_all(b"a line\n").unwrap();
                spool.write_all(&vec![1; MIB - 500_007]).unwrap();
                assert!(!spool.is_rolled());
                spool.flush().unwrap();
                spool.rewind().unwrap();
                spool.read_exact(&mut buf).unwrap();
                spool.read_until(b'\n', &mut Vec::new()).unwrap();
                assert_eq!(spool.read_at(&mut buf, 77_777).unwrap(), 1000);
                assert_eq!(spool.write_at(&buf, 77_777).unwrap(), 1000);
                spool.seek(SeekFrom::End(9)).unwrap();
                spool.seek(SeekFrom::Start(9)).unwrap();
                spool.copy_to(&mut io::sink()).unwrap();
                spool.set_len(10).unwrap();
                spool.set_len(1000).unwrap();
                spool.rewind().unwrap();
                spool.copy_from(&mut buf.as_slice()).unwrap();
                assert_eq!(spool.as_slice().unwrap().len(), 1000);
                let frozen = spool.freeze().unwrap();
                assert_eq!(frozen.slice(5..).to_bytes().unwrap().len(), 995);
                assert_eq!(frozen.chunks(10).map(Result::unwrap).count(), 100);
                drop(SpooledTempFile::from(vec![1; 1000]).into_inner().unwrap());
            }
        },
    );
}

#[test]
fn p9_moving_the_cursor_is_no_system_call() {
    let scratch = Scratch::new();
    without_calls(
        "p9_moving_the_cursor_is_no_system_call",
        scratch.path(),
        |directory| {
            BACKINGS.map(|backing| {
                let mut spool = options(directory, 0, backing).build();
                spool.write_all(&bytes(300_000, 1)).unwrap();
                spool.write_all(b"in the window").unwrap();
                spool
            })
        },
        |mut spools| {
            for spool in &mut spools {
                for step in 0..1000 {
                    assert_eq!(spool.stream_position().unwrap(), spool.position());
                    spool.seek(SeekFrom::Start(step * 1000)).unwrap();
                    spool.seek(SeekFrom::End(-9)).unwrap();
                    spool.seek(SeekFrom::Current(-1)).unwrap();
                    spool.rewind().unwrap();
                    assert_eq!((spool.len(), spool.is_empty(), spool.is_rolled()), (300_013, false, true));
                }
                // Nor is what the window holds, in either direction.
                for step in 0..1000 {
                    let mut word = [0; 6];
                    assert_eq!(spool.read_at(&mut word, 300_007).unwrap(), 6);
                    assert_eq!(&word, b"window");
                    assert_eq!(spool.write_at(b"!", 300_013 + step).unwrap(), 1);
                }
            }
            // Their files would have to be closed.
            std::mem::forget(spools);
        },
    );
}

#[test]
fn p11_a_warm_life_in_memory_is_no_system_call() {
    let scratch = Scratch::new();
    only(
        &[],
        "p11_a_warm_life_in_memory_is_no_system_call",
        scratch.path(),
        |directory| {
            let (pool, options) = pooled(directory, 64 * KIB, Backing::File);
            [2 * KIB, 64 * KIB].into_iter().for_each(|len| pieces(&options, len));
            (pool, options)
        },
        |(pool, options)| {
            for len in [2 * KIB, 64 * KIB, 10_000] {
                pieces(options, len);
            }
            assert!(pool.stats().reused_buffers >= 3);
        },
    );
}

#[test]
fn p11_a_warm_life_on_disk_is_reads_and_writes_alone() {
    let name = "p11_a_warm_life_on_disk_is_reads_and_writes_alone";
    everywhere(name, &[libc::SYS_pwrite64, libc::SYS_pread64], Backing::File, pieces);
}

/// What is read in small pieces comes from the mapping, which the file has kept.
#[test]
fn p11_a_warm_life_on_disk_with_a_mapping_is_writes_alone() {
    let name = "p11_a_warm_life_on_disk_with_a_mapping_is_writes_alone";
    everywhere(name, &[libc::SYS_pwrite64], Backing::Mmap, pieces);
}

#[test]
fn p11_a_warm_life_on_disk_in_large_pieces_is_reads_and_writes_alone() {
    let name = "p11_a_warm_life_on_disk_in_large_pieces_is_reads_and_writes_alone";
    everywhere(name, &[libc::SYS_pwrite64, libc::SYS_pread64], Backing::Mmap, whole);
}

/// The second of two lives from a pool makes these calls and no other, of whatever length, on whatever file system.
#[track_caller]
fn everywhere(name: &str, calls: &[i64], backing: Backing, life: fn(&SpoolOptions, usize)) {
    const LIVES: [usize; 3] = [128 * KIB, MIB, 16 * MIB];
    let on = move |directory: &Path| {
        only(
            calls,
            name,
            directory,
            |directory| {
                LIVES.map(|len| {
                    // The file of a life of the same length, and nothing else, is there to be used again.
                    let (pool, options) = pooled(directory, 64 * KIB, backing);
                    life(&options, len);
                    (pool, options, len)
                })
            },
            move |pools| {
                for (pool, options, len) in pools {
                    life(options, *len);
                    life(options, *len);
                    assert_eq!(pool.stats().reused_files, 2);
                }
            },
        );
    };
    let scratch = Scratch::new();
    on(scratch.path());
    if child::argument().is_some() {
        return;
    }
    let mounts = [Mount::tmpfs(64 * MIB), Mount::on_a_loop_device("ext4", 64 << 20)];
    mounts.into_iter().flatten().for_each(|mount| on(mount.path()));
}

/// What a longer life left has its blocks: none are set aside for a shorter one, where that is done.
#[test]
fn p11_a_shorter_warm_life_sets_no_blocks_aside() {
    let on = |directory: &Path| {
        only(
            &[libc::SYS_pwrite64, libc::SYS_pread64],
            "p11_a_shorter_warm_life_sets_no_blocks_aside",
            directory,
            |directory| {
                let (pool, options) = pooled(directory, 64 * KIB, Backing::File);
                pieces(&options, 16 * MIB);
                (pool, options)
            },
            |(pool, options)| {
                for len in [3 * MIB, 15 * MIB, 5 * MIB] {
                    pieces(options, len);
                }
                assert_eq!(pool.stats().reused_files, 3);
            },
        );
    };
    if child::argument().is_some() {
        return on(Path::new(""));
    }
    if let Some(mount) = Mount::on_a_loop_device("ext4", 64 << 20) {
        on(mount.path());
    }
}

#[test]
fn p11_looking_at_a_pool_is_no_system_call() {
    let scratch = Scratch::new();
    only(
        &[],
        "p11_looking_at_a_pool_is_no_system_call",
        scratch.path(),
        |directory| {
            let (pool, options) = pooled(directory, 0, Backing::File);
            let mut out: Vec<_> = (0..100).map(|_| options.build()).collect();
            out.iter_mut().for_each(|spool| spool.write_all(b"out").unwrap());
            (pool, out)
        },
        |(pool, out)| {
            let stats = pool.stats();
            assert_eq!((stats.spools, stats.rolled), (out.len(), out.len()));
        },
    );
}

#[test]
fn p11_a_warm_life_costs_a_call_for_each_window() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    for backing in BACKINGS {
        for len in [128 * KIB, MIB, 16 * MIB] {
            let (_, options) = pooled(scratch.path(), 64 * KIB, backing);
            pieces(&options, len);
            let cost = io.cost(|| pieces(&options, len));
            // What lies right before the last window, which is still dirty, is read in the pieces that are asked for.
            let reads = if backing == Backing::Mmap { 0 } else { windows(len) + (WINDOW / (8 * KIB)) as u64 };
            assert!(cost.writes <= windows(len) && cost.reads <= reads, "{cost:?} for {len} bytes, {backing:?}");
            assert!(cost.bytes_written <= len as u64, "{cost:?} for {len} bytes, {backing:?}");
        }
    }
}

#[test]
fn p11_a_warm_rollover_is_one_write_and_a_warm_drop_is_no_call() {
    let scratch = Scratch::new();
    let Some(io) = Io::open() else { return };
    for backing in BACKINGS {
        let (pool, options) = pooled(scratch.path(), MIB, backing);
        let full = || {
            let mut spool = options.build();
            spool.write_all(&bytes(MIB, 8)).unwrap();
            spool
        };
        let mut first = full();
        first.roll().unwrap();
        drop(first);
        let mut spool = full();
        let cost = io.cost(|| spool.roll().unwrap());
        assert_eq!((cost.reads, cost.writes), (0, 1), "{cost:?} to roll 1 MiB");
        assert_eq!(pool.stats().reused_files, 1);
        let cost = io.cost(|| drop(spool));
        assert_eq!((cost.reads, cost.writes), (0, 0), "{cost:?} to drop it");
    }
}

/// A pool of files in `directory`, and spools from it.
fn pooled(directory: &Path, threshold: usize, backing: Backing) -> (Pool, SpoolOptions) {
    let pool = Pool::builder().dir(directory).build();
    let mut options = SpoolOptions::new();
    options.threshold(threshold).backing(backing).pool(&pool);
    (pool, options)
}

/// A life in pieces of 8 KiB.
fn pieces(options: &SpoolOptions, len: usize) {
    let mut spool = options.build();
    let mut piece = [7; 8 * KIB];
    for start in (0..len).step_by(piece.len()) {
        spool.write_all(&piece[..piece.len().min(len - start)]).unwrap();
    }
    spool.rewind().unwrap();
    let mut seen = 0;
    while let Some(count) = Some(spool.read(&mut piece).unwrap()).filter(|count| *count > 0) {
        assert!(piece[..count] == [7; 8 * KIB][..count]);
        seen += count;
    }
    assert_eq!(seen, len);
}

/// A life in one piece, from memory and into memory that the first one asked for.
fn whole(options: &SpoolOptions, len: usize) {
    static FROM: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(16 * MIB, 12));
    static INTO: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(|| Mutex::new(vec![0; 16 * MIB]));
    let mut into = INTO.lock().unwrap();
    let mut spool = options.build();
    spool.write_all(&FROM[..len]).unwrap();
    spool.rewind().unwrap();
    spool.read_exact(&mut into[..len]).unwrap();
    assert!(into[..len] == FROM[..len]);
}

#[test]
fn p9_sequential_small_writes_cost_a_call_for_each_window() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let len = 8 * MIB;
    for backing in BACKINGS {
        for (threshold, piece) in [(0, 64), (0, 1000), (0, 4096), (WINDOW, 64), (MIB, 4096), (0, 40_000)] {
            let piece = vec![1; piece];
            let mut spool = options(scratch.path(), threshold, backing).build();
            let cost = io.cost(|| {
                for _ in 0..len / piece.len() {
                    spool.write_all(&piece).unwrap();
                }
                spool.flush().unwrap();
            });
            assert!(cost.writes <= windows(len), "{cost:?} for {len} bytes by {}", piece.len());
            assert_eq!((cost.reads, cost.bytes_written), (0, spool.len()), "{cost:?}");
            // In places, one behind the other, where there is content already.
            spool.seek(SeekFrom::Start(1 << 20)).unwrap();
            let cost = io.cost(|| {
                for _ in 0..4 * MIB / piece.len() {
                    spool.write_all(&piece).unwrap();
                }
                spool.flush().unwrap();
            });
            assert!(cost.writes <= windows(4 * MIB), "{cost:?} to overwrite 4 MiB by {}", piece.len());
            assert_eq!(cost.reads, 0, "{cost:?}");
        }
    }
}

#[test]
fn p9_sequential_small_reads_cost_a_call_for_each_window() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let content = bytes(8 * MIB, 2);
    for backing in BACKINGS {
        let most = if backing == Backing::Mmap { 0 } else { windows(content.len()) };
        let mut spool = options(scratch.path(), 0, backing).build();
        spool.write_all(&content).unwrap();
        spool.flush().unwrap();
        for piece in [64, 1000, 4096, 40_000] {
            let mut buf = vec![0; piece];
            spool.rewind().unwrap();
            let cost = io.cost(|| while spool.read(&mut buf).unwrap() > 0 {});
            assert!(cost.reads <= most, "{cost:?} to read 8 MiB by {piece}, {backing:?}");
            assert_eq!(cost.writes, 0);
            // From somewhere in the middle.
            spool.seek(SeekFrom::Start(3_333_333)).unwrap();
            let cost = io.cost(|| while spool.read(&mut buf).unwrap() > 0 {});
            assert!(cost.reads <= most, "{cost:?} to read 5 MiB by {piece}, {backing:?}");
        }
        spool.rewind().unwrap();
        let mut line = Vec::with_capacity(MIB);
        let cost = io.cost(|| {
            while spool.read_until(0, &mut line).unwrap() > 0 {
                line.clear();
            }
        });
        assert!(cost.reads <= most, "{cost:?} for lines, {backing:?}");
        spool.rewind().unwrap();
        let cost = io.cost(|| {
            while let Some(count) = Some(spool.fill_buf().unwrap().len()).filter(|count| *count > 0) {
                spool.consume(count.min(500));
            }
        });
        assert!(cost.reads <= most, "{cost:?} by fill_buf, {backing:?}");

        // A frozen view reads no worse.
        let mut frozen = spool.freeze().unwrap();
        let mut buf = [0; 100];
        let cost = io.cost(|| while frozen.read(&mut buf).unwrap() > 0 {});
        assert!(cost.reads <= windows(content.len()), "{cost:?} for a frozen view, {backing:?}");
    }
}

#[test]
fn p9_random_small_reads_pay_for_what_they_ask() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let content = bytes(16 * MIB, 3);
    for backing in BACKINGS {
        let mut spool = options(scratch.path(), 0, backing).build();
        spool.write_all(&content).unwrap();
        spool.flush().unwrap();
        let mut buf = [0; 64];
        let count = 5000;
        let scattered = || numbers(16 * MIB as u64 - 64, 4).take(count);
        let cost = io.cost(|| {
            for offset in scattered() {
                spool.seek(SeekFrom::Start(offset)).unwrap();
                spool.read_exact(&mut buf).unwrap();
            }
        });
        assert_random(&cost, count, backing, "by seek and read");
        let cost = io.cost(|| {
            for offset in scattered() {
                assert_eq!(spool.read_at(&mut buf, offset).unwrap(), 64);
            }
        });
        assert_random(&cost, count, backing, "by read_at");
        let frozen = spool.freeze().unwrap();
        let cost = io.cost(|| {
            for offset in scattered() {
                assert_eq!(frozen.read_at(&mut buf, offset).unwrap(), 64);
            }
        });
        assert_random(&cost, count, Backing::File, "by a frozen view");
        assert_same(&buf, &content[scattered().last().unwrap() as usize..][..64], "the last");
    }
}

#[track_caller]
fn assert_random(cost: &Cost, count: usize, backing: Backing, how: &str) {
    let most = if backing == Backing::Mmap { 0 } else { count as u64 };
    assert!(cost.reads <= most, "{cost:?} for {count} reads {how}, {backing:?}");
    assert!(cost.bytes_read <= most * 4096, "{cost:?} for {count} reads {how}, {backing:?}");
}

#[test]
fn p9_random_small_writes_pay_for_what_they_change() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    for backing in BACKINGS {
        let mut spool = options(scratch.path(), 0, backing).build();
        spool.write_all(&bytes(16 * MIB, 9)).unwrap();
        spool.flush().unwrap();
        let count = 5000;
        let cost = io.cost(|| {
            for offset in numbers(16 * MIB as u64 - 64, 10).take(count) {
                spool.seek(SeekFrom::Start(offset)).unwrap();
                spool.write_all(&[1; 64]).unwrap();
            }
            spool.flush().unwrap();
        });
        assert!(cost.writes <= count as u64 && cost.reads == 0, "{cost:?}, {backing:?}");
        assert!(cost.bytes_written <= count as u64 * 64, "{cost:?}, {backing:?}");
    }
}

#[test]
fn p9_a_copy_costs_a_call_for_each_window() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let len = 8 * MIB;
    let content = bytes(len, 11);
    for backing in BACKINGS {
        for threshold in [0, WINDOW, MIB] {
            let mut spool = options(scratch.path(), threshold, backing).build();
            let cost = io.cost(|| {
                assert_eq!(spool.copy_from(&mut content.as_slice()).unwrap(), len as u64);
                spool.flush().unwrap();
            });
            assert!(cost.writes <= windows(len) && cost.reads == 0, "{cost:?}, {backing:?}");
            assert_eq!(cost.bytes_written, len as u64);
            spool.rewind().unwrap();
            let mut out = Vec::with_capacity(len);
            let cost = io.cost(|| assert_eq!(spool.copy_to(&mut out).unwrap(), len as u64));
            assert!(cost.reads <= windows(len) && cost.writes == 0, "{cost:?}, {backing:?}");
            assert_same(&out, &content, "by copy_to");
        }
    }
}

#[test]
fn p9_appending_and_looking_elsewhere_in_turn_pays_for_each_once() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let mut spool = options(scratch.path(), 0, Backing::File).build();
    spool.write_all(&bytes(MIB, 5)).unwrap();
    let mut buf = [0; 20];
    let count = 20_000;
    let cost = io.cost(|| {
        for offset in numbers(MIB as u64 - 20, 6).take(count) {
            spool.write_all(&[1; 20]).unwrap();
            assert_eq!(spool.read_at(&mut buf, offset).unwrap(), 20);
        }
    });
    assert!(cost.writes <= windows(count * 20), "{cost:?}");
    assert!(cost.reads <= count as u64 && cost.bytes_read <= count as u64 * 4096, "{cost:?}");
}

#[test]
fn p9_large_transfers_are_one_call_each() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let content = bytes(MIB, 7);
    for backing in BACKINGS {
        let mut spool = options(scratch.path(), 0, backing).build();
        let cost = io.cost(|| {
            for _ in 0..16 {
                spool.write_all(&content).unwrap();
            }
            spool.flush().unwrap();
        });
        assert!(cost.writes <= 16 && cost.reads == 0, "{cost:?} for 16 writes of 1 MiB, {backing:?}");
        spool.rewind().unwrap();
        let mut buf = vec![0; MIB];
        let cost = io.cost(|| {
            for _ in 0..16 {
                spool.read_exact(&mut buf).unwrap();
            }
        });
        assert!(cost.reads <= 16 && cost.writes == 0, "{cost:?} for 16 reads of 1 MiB, {backing:?}");
        assert_same(&buf, &content, "the last");
        let cost = io.cost(|| assert_eq!(spool.read_at(&mut buf, 5_000_000).unwrap(), MIB));
        assert!(cost.reads <= 1, "{cost:?} for a read_at of 1 MiB, {backing:?}");
        let cost = io.cost(|| assert_eq!(spool.write_at(&buf, 5_000_000).unwrap(), MIB));
        assert_eq!(cost.writes, 1, "{cost:?} for a write_at of 1 MiB, {backing:?}");
        let mut all = Vec::with_capacity(17 * MIB);
        spool.rewind().unwrap();
        let cost = io.cost(|| assert_eq!(spool.read_to_end(&mut all).unwrap(), 16 * MIB));
        // One, or where the memory lies badly for the processor, one for each MiB.
        assert!(cost.reads <= 16 + A_FEW, "{cost:?} to read 16 MiB to the end, {backing:?}");
    }
}

#[test]
fn p9_a_rollover_is_one_write_and_a_drop_is_none() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    for backing in BACKINGS {
        let content = bytes(MIB, 8);
        let mut spool = options(scratch.path(), MIB, backing).build();
        let cost = io.cost(|| spool.write_all(&content).unwrap());
        assert_eq!((cost.reads, cost.writes), (0, 0), "in memory");
        let cost = io.cost(|| spool.roll().unwrap());
        assert_eq!((cost.reads, cost.writes), (0, 1), "{cost:?} to roll 1 MiB");
        spool.write_all(b"in the window, and never anywhere else").unwrap();
        let cost = io.cost(|| drop(spool));
        assert_eq!((cost.reads, cost.writes), (0, 0), "{cost:?} to drop it");
    }
}

/// The whole life of a spool on disk, all calls that name a file or use one: a few, and one for each window.
#[test]
fn p9_a_life_on_disk_costs_little_but_its_windows() {
    const NAME: &str = "p9_a_life_on_disk_costs_little_but_its_windows";
    let len = 2 * MIB;
    if let Some(directory) = child::argument() {
        let directory = Path::new(&directory);
        for backing in BACKINGS {
            // What is asked once a process, or once a directory, is not part of a life.
            life(directory, backing, MIB);
            fs::metadata(directory.join(format!("begins-{backing:?}"))).unwrap_err();
            life(directory, backing, len);
            fs::metadata(directory.join(format!("ends-{backing:?}"))).unwrap_err();
        }
        return;
    }
    let scratch = Scratch::new();
    let log = scratch.path().join("log");
    let child = child::command(NAME, scratch.path());
    let Some(output) = strace::traced(&child, &log, &["-e", "trace=%desc,%file"]) else { return };
    child::assert_passed(&output, NAME.as_ref());
    let log = fs::read_to_string(log).unwrap();
    for backing in BACKINGS {
        let inside = log.lines().skip_while(|line| !line.contains(&format!("begins-{backing:?}"))).skip(1);
        let inside = inside.take_while(|line| !line.contains(&format!("ends-{backing:?}")));
        let calls: Vec<_> = inside.filter(|line| !line.contains("MAP_ANONYMOUS")).collect();
        let of = |name: &str| calls.iter().filter(|line| line.contains(&format!(" {name}("))).count() as u64;
        let seen = calls.join("\n");
        assert!(of("pwrite64") <= windows(len) && of("write") == 0, "{seen}");
        let most = if backing == Backing::Mmap { 0 } else { windows(len) };
        assert!(of("pread64") <= most && of("read") == 0, "{seen}");
        assert_eq!((of("openat"), of("close")), (1, 1), "{seen}");
        let others = calls.len() as u64 - of("pwrite64") - of("pread64");
        assert!(others <= 12, "{others} calls besides:\n{seen}");
    }
}

fn life(directory: &Path, backing: Backing, len: usize) {
    let mut spool = options(directory, 0, backing).build();
    let mut piece = [7; 1024];
    for _ in 0..len / piece.len() {
        spool.write_all(&piece).unwrap();
    }
    spool.rewind().unwrap();
    for _ in 0..len / piece.len() {
        spool.read_exact(&mut piece).unwrap();
    }
}

fn windows(len: usize) -> u64 {
    len.div_ceil(WINDOW) as u64 + A_FEW
}
