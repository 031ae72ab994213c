//! Starts the server so that it cannot outlive us, however we end.
//!
//! A small shell (`supervisor.sh`) stands between us and the server and reads a pipe that we hold open. The
//! kernel closes the pipe when we are gone, also after SIGKILL, where no handler of ours could run. Both sit
//! in a process group of their own, so that Ctrl-C in a terminal reaches us alone and the server is stopped last.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::account::Account;

const SCRIPT: &str = include_str!("supervisor.sh");
const POLL: Duration = Duration::from_millis(5);
/// Longer than the shell needs to go from asking to killing (15 s).
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How the server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Open transactions are rolled back and a checkpoint is written.
    Fast,
    /// At once, and the directory goes with it.
    Discard,
}

/// A server under supervision. Dropping it stops the server.
#[derive(Debug)]
pub struct Supervised {
    shell: Child,
    /// Held open for as long as the server is to run.
    lifeline: Option<ChildStdin>,
    /// The server's own process.
    pub server: u32,
}

/// What to run: the program, its arguments, and where its output goes.
pub struct Launch<'a> {
    pub account: &'a Account,
    pub program: &'a Path,
    pub arguments: &'a [String],
    pub log: File,
    pub ending: Ending,
    /// Removed at the end of a server that is to be discarded.
    pub home: &'a Path,
}

impl Supervised {
    pub fn launch(launch: Launch<'_>) -> std::io::Result<Supervised> {
        let (signal, remove) = match launch.ending {
            Ending::Fast => ("INT", Path::new("")),
            Ending::Discard => ("QUIT", launch.home),
        };
        let mut shell = launch
            .account
            .command(Path::new("/bin/sh"))
            .args(["-c", SCRIPT, "etrplus-postgres"])
            .arg(launch.program)
            .arg(signal)
            .arg(remove)
            .args(launch.arguments)
            // Nothing of our environment steers the server; messages are in English, as we read them.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(launch.log)
            .process_group(0)
            .spawn()?;
        let lifeline = shell.stdin.take();
        let mut first_line = String::new();
        if let Some(output) = shell.stdout.take() {
            BufReader::new(output).read_line(&mut first_line)?;
        }
        let server = first_line.trim().parse().unwrap_or(0);
        Ok(Supervised { shell, lifeline, server })
    }

    /// Waits until `postmaster.pid` in `data` says that this server takes connections. False: it ended instead.
    pub fn wait_until_ready(&mut self, data: &Path, before: Option<&[u8]>) -> bool {
        let file = data.join("postmaster.pid");
        while self.exited().is_none() {
            // What an earlier server left there also says `ready`, and may bear the same process id.
            if let Ok(text) = fs::read(&file)
                && before != Some(text.as_slice())
                && says_ready(&String::from_utf8_lossy(&text), self.server)
            {
                return true;
            }
            sleep(POLL);
        }
        false
    }

    /// How the server ended, if it did.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().ok().flatten()
    }

    /// Asks the server to stop and waits until it has.
    pub fn stop(&mut self) {
        self.lifeline = None;
        let begun = Instant::now();
        while self.exited().is_none() {
            if begun.elapsed() > STOP_LIMIT {
                if let Some(group) = Pid::from_raw(self.shell.id().cast_signed()) {
                    // Nothing else is left to try; the next start recovers from the log.
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = self.shell.wait();
                return;
            }
            sleep(POLL);
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Line 1 of postmaster.pid is the process, line 8 its state (PostgreSQL, `src/include/utils/pidfile.h`).
fn says_ready(text: &str, server: u32) -> bool {
    let mut lines = text.lines();
    lines.next().and_then(|line| line.trim().parse().ok()) == Some(server)
        && lines.nth(6).is_some_and(|state| state.trim() == "ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_line_eight_of_our_own_server_means_ready() {
        let file =
            |pid: u32, state: &str| format!("{pid}\n/data\n1700000000\n5432\n/run\n\n  1  2\n{state}\n");
        assert!(says_ready(&file(7, "ready   "), 7));
        assert!(!says_ready(&file(7, "starting"), 7));
        assert!(!says_ready(&file(8, "ready   "), 7));
        assert!(!says_ready("7\n/data\n", 7));
    }
}
