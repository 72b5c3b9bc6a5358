//! Files written by `pyarrow`.

use std::process::Command;

use crate::ground::{KIB, Scratch, assert_empty, assert_same};
use crate::run::{Program, made, maker};

const PARQUET: Program = Program { name: "parquet_from_pipe", path: env!("CARGO_BIN_EXE_parquet_from_pipe") };

#[test]
fn p1_rows_and_columns_are_those_that_were_written() {
    let Some(scratch) = ready() else { return };
    // As pyarrow does it unless told, without compression, and in many pieces.
    for how in ["", "compression=None", "row_group_size=999, data_page_size=100", "data_page_version='2.0'"] {
        let file = made(&mut written(how));
        for threshold in ["0", "64K", "64M"] {
            for rows in [0, 3, ROWS] {
                let arguments = ["--threshold", threshold, "--rows", &rows.to_string()];
                let output = PARQUET.feed(scratch.path(), &arguments, &file);
                let what = format!("{rows} rows, {how}, with a threshold of {threshold}");
                assert_eq!(output.stderr, b"", "{what}");
                assert_same(&output.stdout, said(rows).as_bytes(), &what);
            }
        }
    }
    assert_empty(scratch.path());
}

#[test]
fn p1_pyarrow_writes_and_we_read_with_nobody_in_between() {
    let Some(scratch) = ready() else { return };
    let output = PARQUET.feed_from(scratch.path(), &[], &mut written(""));
    PARQUET.assert_said(&output, &said(3));
}

#[test]
fn p4_bad_input_is_said_in_one_line() {
    let Some(scratch) = ready() else { return };
    let file = made(&mut written(""));
    let len = file.len();
    for kept in [0, 1, 7, 8, 12, KIB, len / 2, len - 9, len - 8, len - 4, len - 1] {
        for threshold in ["0", "64M"] {
            let output = PARQUET.feed(scratch.path(), &["--threshold", threshold], &file[..kept]);
            PARQUET.assert_failed(&output, "standard input: ");
            let output = PARQUET.feed_and_reset(scratch.path(), &["--threshold", threshold], &file[..kept]);
            PARQUET.assert_failed(&output, "standard input: Connection reset by peer");
        }
    }
    // The front is gone, so what the end says lies past the end, or is something else.
    for gone in [1, KIB, len / 2, len - KIB] {
        let output = PARQUET.feed(scratch.path(), &["--rows", "100000"], &file[gone..]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stderr).matches('\n').count(), 1);
    }
    for says in [u32::MAX, len as u32, len as u32 - 8, len as u32 - 7, 0] {
        let mut lies = file.clone();
        lies[len - 8..len - 4].copy_from_slice(&says.to_le_bytes());
        PARQUET.assert_failed(&PARQUET.feed(scratch.path(), &[], &lies), "standard input: ");
    }
    PARQUET.assert_refuses_what_is_no_input(scratch.path(), &[]);
    assert_empty(scratch.path());
}

#[test]
fn p4_a_codec_that_is_not_there_is_said_in_one_line() {
    let Some(scratch) = ready() else { return };
    let output = PARQUET.feed_from(scratch.path(), &[], &mut written("compression='zstd'"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.to_lowercase().contains("zstd") && complaint.matches('\n').count() == 1, "{complaint}");
    assert_eq!(output.status.code(), Some(1));
    // What needs none of it is there.
    let output = PARQUET.feed_from(scratch.path(), &["--rows", "0"], &mut written("compression='zstd'"));
    PARQUET.assert_said(&output, &said(0));
}

#[test]
fn p8_the_limit_is_exact() {
    let Some(scratch) = ready() else { return };
    let file = made(&mut written(""));
    for threshold in ["0", "64M"] {
        let limit = (file.len() - 1).to_string();
        let output = PARQUET.feed(scratch.path(), &["--threshold", threshold, "--limit", &limit], &file);
        PARQUET.assert_failed(&output, &format!("standard input is longer than --limit, {limit} bytes"));
        let limit = file.len().to_string();
        let output = PARQUET.feed(scratch.path(), &["--threshold", threshold, "--limit", &limit], &file);
        PARQUET.assert_said(&output, &said(3));
    }
}

const ROWS: usize = 20_000;

#[track_caller]
fn ready() -> Option<Scratch> {
    maker("python3", &["-c", "import pyarrow.parquet"]).map(|_| Scratch::new())
}

/// Writes a table to its standard output; `how` are arguments of `write_table`.
fn written(how: &str) -> Command {
    let script = format!(
        "import sys, pyarrow, pyarrow.parquet
n = range({ROWS})
table = pyarrow.table({{
    'id': pyarrow.array(n, pyarrow.int64()),
    'name': [f'row {{i}}' for i in n],
    'third': [i if i % 3 == 0 else None for i in n],
    'pair': [[i, -i] for i in n],
}})
pyarrow.parquet.write_table(table, sys.stdout.buffer, {how})"
    );
    let mut command = Command::new("python3");
    command.arg("-c").arg(script);
    command
}

/// What there is to say of that table.
fn said(rows: usize) -> String {
    let mut text = format!("{ROWS} rows\nid: INT64\nname: BYTE_ARRAY\nthird: INT64\npair.list.element: INT64\n");
    for i in 0..rows {
        let third = if i % 3 == 0 { i.to_string() } else { "null".to_owned() };
        let minus = -(i as i64);
        text += &format!("{{id: {i}, name: \"row {i}\", third: {third}, pair: [{i}, {minus}]}}\n");
    }
    text
}
