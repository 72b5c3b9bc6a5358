//! curl, and what it says.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

pub(crate) struct Curl(Command);

#[derive(Debug)]
pub(crate) struct Answer {
    /// That of HTTP; 0 if none came.
    pub(crate) status: u16,
    /// That of curl itself: 0 if all went well.
    pub(crate) exit: i32,
    /// How many bytes of the body it sent.
    pub(crate) sent: u64,
    pub(crate) body: Vec<u8>,
}

impl Curl {
    pub(crate) fn new(arguments: &[&str]) -> Curl {
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", "300", "--noproxy", "*"]);
        command.args(["--write-out", "%{stderr}\n@%{http_code} %{size_upload}\n"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Curl(command)
    }

    #[track_caller]
    pub(crate) fn run(mut self) -> Answer {
        answer(self.0.spawn().unwrap())
    }

    /// With this on standard input, which it need not want all of.
    #[track_caller]
    pub(crate) fn feed(self, input: &[u8]) -> Answer {
        let (child, mut stdin) = self.start();
        thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            answer(child)
        })
    }

    /// With standard input still to come.
    #[track_caller]
    pub(crate) fn start(mut self) -> (Child, ChildStdin) {
        let mut child = self.0.stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        (child, stdin)
    }
}

/// Waits for what came of it.
#[track_caller]
pub(crate) fn answer(child: Child) -> Answer {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let last = said.lines().filter_map(|line| line.strip_prefix('@')?.split_once(' ')).next_back();
    let (status, sent) = last.unwrap_or_else(|| panic!("curl said {said:?}"));
    let exit = output.status.code().unwrap_or(-1);
    Answer { status: status.parse().unwrap(), exit, sent: sent.parse().unwrap(), body: output.stdout }
}

/// The versions of HTTP that it speaks without being asked to change.
pub(crate) const VERSIONS: [&[&str]; 2] = [&["--http1.1"], &["--http2-prior-knowledge"]];
