//! Child processes that leave nothing behind.
//!
//! Every child leads a process group of its own. The group is ended by its id when the value is dropped, so that a
//! failure, a cancelled future or Ctrl-C ends the child and all that it started.

use std::{
    collections::VecDeque,
    path::Path,
    process::{ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::progress::Step;

/// How long a group may take to end itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How many of a tool's last lines an error shows.
const LINES_SHOWN: usize = 15;

/// A child and its process group.
#[derive(Debug)]
pub struct ProcessGroup {
    child: Child,
    id: Pid,
}

impl ProcessGroup {
    /// Starts `command` as the leader of a new group.
    ///
    /// # Errors
    ///
    /// When the program cannot be started; the message names it.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.as_std().get_program().to_owned();
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, id: id.expect("a child that was not waited for has an id") })
    }

    /// The child.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // Also after the leader has ended: what it started may live on.
        let mut signal = Signal::TERM;
        let asked = Instant::now();
        while kill_process_group(self.id, signal).is_ok() {
            while asked.elapsed() < GRACE {
                let _ended = self.child.try_wait();
                if test_kill_process_group(self.id).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
            if signal == Signal::KILL {
                return;
            }
            signal = Signal::KILL;
        }
    }
}

/// Runs a tool to its end with its output in `log`, the last line of it shown as the step's detail.
///
/// # Errors
///
/// When it cannot be started or fails; the message has its last lines and names the log.
pub async fn run_logged(command: &mut Command, log: &Path, step: &Step) -> Result<()> {
    let (status, last_lines) = run_to_end(command, log, step).await?;
    if status.success() {
        return Ok(());
    }
    let program = command.as_std().get_program().display().to_string();
    bail!("{program} failed ({status}):\n{}\nAll of its output: {}", last_lines.join("\n"), log.display());
}

async fn run_to_end(command: &mut Command, log: &Path, step: &Step) -> Result<(ExitStatus, Vec<String>)> {
    if let Some(folder) = log.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let mut log_file = File::create(log).await.with_context(|| format!("cannot write {}", log.display()))?;
    let (output, input) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input);
    let mut group = ProcessGroup::spawn(command)?;
    // The command keeps its ends of the pipe, which would keep the reader waiting.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let mut lines = BufReader::new(File::from_std(output_file(output))).split(b'\n');
    let mut last_lines = VecDeque::with_capacity(LINES_SHOWN);
    while let Some(line) = lines.next_segment().await? {
        log_file.write_all(&line).await?;
        log_file.write_all(b"\n").await?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if !line.is_empty() {
            step.detail(&line);
            if last_lines.len() == LINES_SHOWN {
                last_lines.pop_front();
            }
            last_lines.push_back(line);
        }
    }
    log_file.flush().await?;
    Ok((group.child().wait().await?, last_lines.into()))
}

fn output_file(reader: std::io::PipeReader) -> std::fs::File {
    std::os::fd::OwnedFd::from(reader).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Progress;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[tokio::test]
    async fn dropping_a_group_ends_what_its_child_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let alive = folder.path().join("alive");
        let script = format!("(while sleep 0.05; do touch {}; done) & wait", alive.display());

        let group = ProcessGroup::spawn(&mut shell(&script)).unwrap();
        while !alive.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let id = group.id;
        drop(group);

        assert!(test_kill_process_group(id).is_err(), "the group is gone");
    }

    #[tokio::test]
    async fn a_failed_tool_is_reported_with_its_last_lines_and_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/tool.log");
        let step = Progress::default().step("a tool");

        let error =
            run_logged(&mut shell("seq 1 30; echo broken >&2; exit 3"), &log, &step).await.unwrap_err();

        let text = error.to_string();
        assert!(text.contains("sh failed (exit status: 3):\n17\n18\n"), "{text}");
        assert!(text.contains(&format!("30\nbroken\nAll of its output: {}", log.display())), "{text}");
        assert_eq!(std::fs::read_to_string(log).unwrap().lines().count(), 31);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = ProcessGroup::spawn(&mut Command::new("no-such-program")).unwrap_err();

        assert_eq!(error.to_string(), "cannot start no-such-program");
    }
}
