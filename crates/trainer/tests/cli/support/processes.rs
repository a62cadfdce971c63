//! Processes that a test watches, stops, continues or kills while they train.

use std::{
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A child process that is killed when dropped, so that it never outlives its test.
pub struct Background(Child);

impl Background {
    /// Starts a command and discards its output.
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    /// Kills the process, without a chance to clean up, and waits until it is gone.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        signal(&self.0, name);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail if the process has already exited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal by its name, such as `INT`.
#[cfg(unix)]
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success(), "cannot send SIG{name}");
}

/// Waits until the condition is true. Panics after a minute; `what` describes the condition.
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_true() {
        assert!(Instant::now() < deadline, "did not happen within a minute: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
