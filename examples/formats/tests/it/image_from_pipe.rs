//! Images made by ImageMagick.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::ground::{KIB, Scratch, assert_empty, names};
use crate::run::{Program, made, maker};

const IMAGE: Program = Program { name: "image_from_pipe", path: env!("CARGO_BIN_EXE_image_from_pipe") };

#[test]
fn p1_format_and_size_are_those_that_were_made() {
    let Some(scratch) = ready() else { return };
    for (mime, size, how) in IMAGES {
        let image = made(&mut image(size, how));
        let (width, height) = size.split_once('x').unwrap();
        for threshold in ["0", "64K", "64M"] {
            let output = IMAGE.feed(scratch.path(), &["--threshold", threshold], &image);
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.starts_with(&format!("{mime}, {width} x {height} pixels, ")), "{how:?}: {said}");
            assert_eq!(said.lines().count(), 1);
        }
    }
    assert_empty(scratch.path());
}

#[test]
fn p1_a_thumbnail_looks_like_the_one_that_imagemagick_makes() {
    let Some(scratch) = ready() else { return };
    let dir = scratch.path();
    for (_, size, how) in IMAGES {
        let image = made(&mut image(size, how));
        fs::write(dir.join("image"), &image).unwrap();
        for threshold in ["0", "64M"] {
            let arguments = ["--threshold", threshold, "--thumbnail", "small.png", "--side", "50"];
            let output = IMAGE.feed(dir, &arguments, &image);
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.ends_with(&format!(", {} bytes were read\n", image.len())), "{said}");

            let size = made(magick(dir, "identify").args(["-format", "%m %wx%h", "small.png"]));
            let size = String::from_utf8(size).unwrap();
            assert!(["PNG 50x37", "PNG 50x38"].contains(&&*size), "{size}");
            let same_size = format!("{}!", &size[4..]);
            made(magick(dir, "convert").args(["image", "-filter", "box", "-resize", &same_size, "theirs.png"]));
            let differs = magick(dir, "compare").args(["-metric", "RMSE", "theirs.png", "small.png", "null:"]).output();
            let differs = String::from_utf8(differs.unwrap().stderr).unwrap();
            let part: f64 = differs.split(['(', ')']).nth(1).unwrap().parse().unwrap();
            assert!(part < 0.05, "{how:?}: {differs}");
        }
    }
    assert_eq!(names(dir), ["image", "small.png", "theirs.png"]);
}

#[test]
fn p9_a_size_is_said_before_the_image_has_come() {
    let Some(scratch) = ready() else { return };
    let image = made(&mut image("1000x750", &["png:-"]));
    let mut child = IMAGE.command(scratch.path(), &[]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&image[..KIB]).unwrap();
    // The rest never comes, and nobody says that it will not.
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(said, "image/png, 1000 x 750 pixels, 1024 bytes were read\n");
    drop(stdin);
}

#[test]
fn p4_bad_input_is_said_in_one_line_and_leaves_nothing() {
    let Some(scratch) = ready() else { return };
    let dir = scratch.path();
    fs::write(dir.join("old.png"), "old").unwrap();
    let truncated = |image: &[u8], kept: &[usize], why| {
        for &kept in kept {
            for arguments in [&["--thumbnail", "new.png"][..], &["--threshold", "0", "--thumbnail", "old.png"]] {
                IMAGE.assert_failed(&IMAGE.feed(dir, arguments, &image[..kept]), why);
                let output = IMAGE.feed_and_reset(dir, arguments, &image[..kept]);
                IMAGE.assert_failed(&output, "standard input: Connection reset by peer");
            }
        }
    };
    let png = made(&mut image("400x300", &["png:-"]));
    truncated(&png, &[0, 1, 7], "standard input: The image format could not be determined");
    truncated(&png, &[8, 20, 33, KIB, png.len() / 2, png.len() - 100], "standard input: unexpected end of file");
    // Past its headers a JPEG that breaks off is taken for what there is of it.
    let jpeg = made(&mut image("400x300", &["jpeg:-"]));
    truncated(&jpeg, &[3, 4, 20, 100], "standard input: ");
    let gif = made(&mut image("40x30", &["gif:-"]));
    let output = IMAGE.feed(dir, &["--thumbnail", "new.png"], &gif);
    IMAGE.assert_failed(&output, "standard input: The image format Gif is not supported");

    IMAGE.assert_refuses_what_is_no_input(dir, &["--thumbnail", "new.png"]);
    for (file, why) in [("missing/new.png", "missing: No such file"), ("/dev/null", "nothing can take its place")] {
        IMAGE.assert_failed(&IMAGE.feed(dir, &["--thumbnail", file], &png), why);
    }
    assert_eq!(fs::read(dir.join("old.png")).unwrap(), b"old");
    assert_eq!(names(dir), ["old.png"]);
}

#[test]
fn p3_an_image_that_no_memory_holds_is_refused() {
    let Some(scratch) = ready() else { return };
    let mut png = made(&mut image("40x30", &["png:-"]));
    // The header is what it says of itself, and a sum over that.
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let sum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    let output = IMAGE.feed(scratch.path(), &["--thumbnail", "new.png"], &png);
    IMAGE.assert_failed(&output, "standard input: Memory limit exceeded");
    assert_empty(scratch.path());
}

#[test]
fn p8_the_limit_is_exact() {
    let Some(scratch) = ready() else { return };
    let dir = scratch.path();
    // A PNG ends with a chunk of twelve bytes in which there is nothing: they are not asked for.
    for (how, unasked) in [("png:-", 12), ("jpeg:-", 0)] {
        let image = made(&mut image("400x300", &[how]));
        for threshold in ["0", "64M"] {
            let limit = (image.len() - unasked - 1).to_string();
            let arguments = ["--threshold", threshold, "--thumbnail", "new.png", "--limit"];
            let output = IMAGE.feed(dir, &[&arguments[..], &[&limit]].concat(), &image);
            IMAGE.assert_failed(&output, &format!("standard input is longer than --limit, {limit} bytes"));
            assert_empty(dir);
            let limit = image.len().to_string();
            let output = IMAGE.feed(dir, &[&arguments[..], &[&limit]].concat(), &image);
            assert!(output.status.success());
            fs::remove_file(dir.join("new.png")).unwrap();
        }
    }
}

/// Four by three each, so that a thumbnail has the same size for all.
const IMAGES: [(&str, &str, &[&str]); 6] = [
    ("image/png", "1000x750", &["png:-"]),
    ("image/png", "120x90", &["-colorspace", "gray", "png:-"]),
    ("image/png", "400x300", &["-colors", "64", "png8:-"]),
    ("image/png", "400x300", &["-interlace", "PNG", "-depth", "8", "png:-"]),
    ("image/jpeg", "1000x750", &["-quality", "90", "jpeg:-"]),
    ("image/jpeg", "400x300", &["-interlace", "JPEG", "jpeg:-"]),
];

/// By its path: other programs go by that name too.
#[track_caller]
fn ready() -> Option<Scratch> {
    maker("/usr/bin/convert", &["-version"]).map(|_| Scratch::new())
}

fn image(size: &str, how: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/convert");
    command.args(["-size", size, "-seed", "1", "plasma:fractal", "-strip"]).args(how);
    command
}

fn magick(dir: &Path, tool: &str) -> Command {
    let mut command = Command::new(format!("/usr/bin/{tool}"));
    command.current_dir(dir);
    command
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}
