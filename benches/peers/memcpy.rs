//! Memory that is there already, copied into and out of, and nothing else.

use std::hint::black_box;

use crate::harness::{Sample, timed};
use crate::work::{KIB, PAGE, Piece, glance};

/// A life as in [`lives`](crate::lives), less all but its copies.
pub fn life(len: usize) -> impl FnMut() -> Sample {
    let (mut piece, mut buf, mut memory) = (Piece::new(8 * KIB), Piece::new(8 * KIB), vec![1; len + 2 * PAGE]);
    move || {
        let (piece, buf) = (piece.turn(), buf.turn());
        // Half a page away from where a copy would be slow.
        let start = memory.as_ptr().align_offset(PAGE) + (piece.as_ptr().addr() + PAGE / 2) % PAGE;
        let memory = &mut memory[start..][..len];
        timed(1, || {
            for place in memory.chunks_exact_mut(piece.len()) {
                place.copy_from_slice(black_box(&*piece));
            }
            let mut sum = 0;
            for place in black_box(&*memory).chunks_exact(buf.len()) {
                buf.copy_from_slice(place);
                sum += glance(black_box(&*buf));
            }
            black_box(sum);
            len as u64
        })
    }
}
