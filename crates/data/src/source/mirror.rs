//! Downloads the files of a data set from a folder on a web server. A server can be slow, broken or malicious: time and
//! memory are bounded, and `progress` can stop the download at any time.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    sync::mpsc::RecvTimeoutError,
    thread,
    time::{Duration, Instant},
};

use ureq::Timeout;

use super::{
    Download, Progress, Timeouts,
    download::Target,
    known::KnownFile,
    request::{self, Event},
};
use crate::DataError;

/// Number of times that a file is requested if the error may be temporary.
const ATTEMPTS: u32 = 3;

/// Limit for the redirects of one request.
const REDIRECTS: u32 = 5;

/// Longest time between two calls of `progress`.
const POLL: Duration = Duration::from_millis(50);

/// Error of one attempt to download a file.
enum Failure {
    /// `progress` returned `Break`.
    Interrupted,
    /// Another attempt may succeed.
    Temporary(String),
    /// Another attempt would fail too.
    Permanent(String),
}

/// Downloads the published files from the folder `mirror` and checks them. Calls `announce` when the mirror answers.
pub(super) fn download(
    mirror: &str,
    target: &Target,
    timeouts: &Timeouts,
    announce: &mut dyn FnMut(),
    progress: &mut Progress,
) -> Result<Vec<Download>, DataError> {
    if !mirror.starts_with("http://") && !mirror.starts_with("https://") {
        return Err(DataError::MirrorUrl(mirror.to_owned()));
    }
    let agent = agent(mirror, timeouts);
    let get = |file: &&KnownFile| {
        let file_name = file.published_name();
        let url = format!("{mirror}/{file_name}");
        let mut content = target.unnamed_file()?;
        let transfer =
            Transfer { agent: &agent, url: &url, file_name: &file_name, timeouts, most: file.most_bytes };
        transfer.run(&mut content, announce, progress)?;
        target.check(file, &url, file_name, content, progress)
    };
    target.known.published().iter().map(get).collect()
}

fn agent(mirror: &str, timeouts: &Timeouts) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_resolve(Some(timeouts.connect))
        .timeout_connect(Some(timeouts.connect))
        .timeout_recv_response(Some(timeouts.response))
        .timeout_per_read(Some(timeouts.stall))
        // A mirror with TLS must not redirect to a server without.
        .https_only(mirror.starts_with("https://"))
        .max_redirects(REDIRECTS)
        .build()
        .into()
}

/// The download of one file.
struct Transfer<'a> {
    agent: &'a ureq::Agent,
    url: &'a str,
    file_name: &'a str,
    timeouts: &'a Timeouts,
    /// Limit for the size of the file, in bytes.
    most: u64,
}

impl Transfer<'_> {
    /// Downloads the file into `content`, with further attempts after temporary errors.
    fn run(
        &self,
        content: &mut File,
        announce: &mut dyn FnMut(),
        progress: &mut Progress,
    ) -> Result<(), DataError> {
        let mut pause = self.timeouts.pause;
        let mut attempt = 1;
        loop {
            let reason = match self.attempt(content, announce, progress) {
                Ok(()) => return Ok(()),
                Err(Failure::Interrupted) => return Err(DataError::Interrupted),
                Err(Failure::Temporary(_)) if attempt < ATTEMPTS => {
                    self.wait(pause, progress)?;
                    pause *= 2;
                    attempt += 1;
                    continue;
                }
                Err(Failure::Temporary(reason) | Failure::Permanent(reason)) => reason,
            };
            let reason = if attempt == 1 { reason } else { format!("{reason} (attempt {attempt})") };
            return Err(DataError::Download { url: self.url.to_owned(), reason });
        }
    }

    fn attempt(
        &self,
        content: &mut File,
        announce: &mut dyn FnMut(),
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let unwritable = |cause| Failure::Permanent(format!("cannot write a temporary file: {cause}"));
        // An earlier attempt may have left bytes.
        content.rewind().and_then(|()| content.set_len(0)).map_err(unwritable)?;
        let events = request::start(self.agent, self.url, self.timeouts.total_for(self.most))
            .map_err(|cause| Failure::Permanent(format!("cannot start a thread: {cause}")))?;
        let (mut bytes, mut total) = (0, None);
        loop {
            if progress(self.file_name, bytes, total).is_break() {
                return Err(Failure::Interrupted);
            }
            match events.recv_timeout(POLL) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Response(length)) => {
                    self.check_size(length.unwrap_or(0))?;
                    total = length;
                    announce();
                }
                Ok(Event::Bytes(chunk)) => {
                    bytes += chunk.len() as u64;
                    self.check_size(bytes)?;
                    content.write_all(&chunk).map_err(unwritable)?;
                }
                Ok(Event::End) => break,
                Ok(Event::Failed(error)) => return Err(self.failure(error)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Permanent("the download's thread ended without a result".into()));
                }
            }
        }
        if is_web_page(content).map_err(unwritable)? {
            let reason = "the server sent a web page instead of the file; the mirror may have moved";
            return Err(Failure::Permanent(reason.into()));
        }
        Ok(())
    }

    fn check_size(&self, bytes: u64) -> Result<(), Failure> {
        if bytes <= self.most {
            return Ok(());
        }
        Err(Failure::Permanent(format!("the file is larger than {} bytes", self.most)))
    }

    /// Waits before the next attempt.
    fn wait(&self, pause: Duration, progress: &mut Progress) -> Result<(), DataError> {
        let start = Instant::now();
        while let Some(rest) = pause.checked_sub(start.elapsed()) {
            if progress(self.file_name, 0, None).is_break() {
                return Err(DataError::Interrupted);
            }
            thread::sleep(rest.min(POLL));
        }
        Ok(())
    }

    fn failure(&self, error: ureq::Error) -> Failure {
        let Timeouts { connect, response, stall, .. } = self.timeouts;
        let total = self.timeouts.total_for(self.most);
        match error {
            ureq::Error::StatusCode(status @ (429 | 500..)) => {
                Failure::Temporary(format!("HTTP status {status}"))
            }
            ureq::Error::StatusCode(status) => Failure::Permanent(format!("HTTP status {status}")),
            ureq::Error::Timeout(timeout) => Failure::Temporary(match timeout {
                Timeout::Resolve => format!("no address for the host within {connect:?}"),
                Timeout::Connect => format!("no connection within {connect:?}"),
                Timeout::RecvResponse => format!("no response within {response:?}"),
                Timeout::PerRead => format!("no data for {stall:?}"),
                Timeout::Global => format!("not finished within {total:?}"),
                other => format!("time-out: {other}"),
            }),
            ureq::Error::TooManyRedirects => Failure::Permanent(format!("more than {REDIRECTS} redirects")),
            ureq::Error::RequireHttpsOnly(url) => {
                Failure::Permanent(format!("redirected to {url}, which does not use https"))
            }
            ureq::Error::Io(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
                Failure::Temporary("the server closed the connection too early".into())
            }
            ureq::Error::Io(cause) if is_temporary(cause.kind()) => Failure::Temporary(cause.to_string()),
            ureq::Error::Io(cause) => Failure::Permanent(cause.to_string()),
            other => Failure::Permanent(other.to_string()),
        }
    }
}

/// Returns whether a file begins like a web page. A server that has moved may answer every request with one.
fn is_web_page(content: &mut File) -> io::Result<bool> {
    content.rewind()?;
    let mut start = Vec::new();
    content.take(64).read_to_end(&mut start)?;
    let start = String::from_utf8_lossy(&start).trim_start().to_lowercase();
    Ok(["<!doctype html", "<html"].iter().any(|tag| start.starts_with(tag)))
}

/// Returns whether the network could have caused the error, rather than the server's content.
fn is_temporary(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
    )
}
