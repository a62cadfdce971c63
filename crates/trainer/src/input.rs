//! Reads the files that the command line names: regular files, pipes and standard input.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use mnist_data::input;
use mnist_training::TrainingError;

use crate::interrupt;

/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Returns whether the argument stands for standard input.
pub fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

/// Returns whether this is a pipe or a device, whose length is unknown.
pub fn is_stream(path: &Path) -> bool {
    is_standard_input(path) || path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Reads a file of at most `most` bytes. The outer error is ctrl-C.
pub fn read(path: &Path, most: u64) -> Result<io::Result<Vec<u8>>, TrainingError> {
    if !is_stream(path) {
        return Ok(input::read(path, most));
    }
    let path = path.to_owned();
    // On another thread, because opening a pipe waits for its writer, and reading it for what comes.
    until_interrupted(move || {
        let stream: Box<dyn Read> =
            if is_standard_input(&path) { Box::new(io::stdin()) } else { Box::new(File::open(&path)?) };
        input::read_stream(stream, most)
    })
}

/// Does some work on another thread, and returns early on ctrl-C.
fn until_interrupted<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<io::Result<T>, TrainingError> {
    const BETWEEN_CHECKS: Duration = Duration::from_millis(50);
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(work()));
    loop {
        match receiver.recv_timeout(BETWEEN_CHECKS) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) if interrupt::requested() => {
                return Err(TrainingError::Interrupted);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Err(io::Error::other("the reader failed"))),
        }
    }
}
