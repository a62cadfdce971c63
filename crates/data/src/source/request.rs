//! Sends HTTP requests on threads of their own, so that the caller can stop waiting at any time.

use std::{
    io::{self, Read},
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
    time::Duration,
};

/// Number of events that wait for the caller.
const QUEUE: usize = 4;

/// Largest number of bytes in one event.
const CHUNK: usize = 64 << 10;

/// Progress of a request.
pub(super) enum Event {
    /// The server answered. Contains the length of the body if the server stated it.
    Response(Option<u64>),
    /// The next bytes of the body.
    Bytes(Vec<u8>),
    /// The body is complete.
    End,
    /// The request failed.
    Failed(ureq::Error),
}

/// Starts to download `url`, within the time `total`. The thread ends by itself, at the latest after the time limits,
/// when the receiver is gone.
pub(super) fn start(agent: &ureq::Agent, url: &str, total: Duration) -> io::Result<Receiver<Event>> {
    let (sender, events) = mpsc::sync_channel(QUEUE);
    let (agent, url) = (agent.clone(), url.to_owned());
    thread::Builder::new().name("download".into()).spawn(move || {
        let last = transfer(&agent, &url, total, &sender).map_or_else(Event::Failed, |()| Event::End);
        // Nobody needs the event if the receiver is gone.
        let _ = sender.send(last);
    })?;
    Ok(events)
}

fn transfer(
    agent: &ureq::Agent,
    url: &str,
    total: Duration,
    sender: &SyncSender<Event>,
) -> Result<(), ureq::Error> {
    let mut response = agent.get(url).config().timeout_global(Some(total)).build().call()?;
    let mut is_wanted = sender.send(Event::Response(response.body().content_length())).is_ok();
    let mut body = response.body_mut().as_reader();
    let mut chunk = vec![0; CHUNK];
    while is_wanted {
        match body.read(&mut chunk)? {
            0 => break,
            read => is_wanted = sender.send(Event::Bytes(chunk[..read].to_vec())).is_ok(),
        }
    }
    Ok(())
}
