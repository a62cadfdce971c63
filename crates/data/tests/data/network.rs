//! Mirrors that are slow, broken or malicious. Every download ends in bounded time and memory, can be stopped, and
//! writes nothing into the cache unless all four files are MNIST's.

use std::{
    io::Write,
    net::TcpListener,
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

use mnist_data::{DataError, source::Timeouts};

use crate::{
    go_on,
    server::{NAMES, Request, Server, forged_tls, gzip, mnist_files, mnist_gzipped, silent_tls},
    source::{NO_NPM, Remote},
};

/// Limits that no test reaches, even on a busy machine. Each test shortens the one that it is about.
const LONG: Timeouts = Timeouts {
    connect: Duration::from_mins(1),
    response: Duration::from_mins(1),
    stall: Duration::from_mins(1),
    total: Duration::from_mins(1),
    pause: Duration::from_millis(10),
};

const SHORT: Duration = Duration::from_millis(200);

/// Fetches from the mirror `url` alone, expects an error without traces in the cache, and returns the reason.
fn failure(url: &str, timeouts: Timeouts) -> String {
    let remote = Remote::new(vec![]);
    let source = remote.source().with_timeouts(timeouts).with_mirror(url.to_owned());
    let error = source.fetch(&mut *go_on()).unwrap_err();
    remote.assert_cache_untouched();
    let DataError::NoSource { tried, .. } = &error else { panic!("{error}") };
    let [cache, mirror] = &tried[..] else { panic!("only the cache and the mirror: {tried:?}") };
    assert!(cache.contains("does not exist"), "{cache}");
    assert!(mirror.contains(url) && mirror.contains(NAMES[0]), "{mirror}");
    mirror.clone()
}

/// Expects that the server's fault ends each of three attempts for this reason.
fn assert_temporary(server: &Server, timeouts: Timeouts, reason: &str) {
    let error = failure(&server.url, timeouts);
    assert!(error.ends_with(&format!("{reason} (attempt 3)")), "{error}");
    // The server may read the last request after the client has given up.
    let start = Instant::now();
    while server.requests() < 3 && start.elapsed() < Duration::from_secs(30) {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(server.requests(), 3, "{reason}");
}

/// Expects that the server's fault ends the first attempt for this reason.
fn assert_permanent(server: &Server, reason: &str) {
    let error = failure(&server.url, LONG);
    assert!(error.contains(reason), "{error}");
    assert_eq!(server.requests(), 1, "{reason}");
}

#[test]
fn server_that_never_answers_is_given_up() {
    let server = Server::start(Request::hang);
    assert_temporary(&server, Timeouts { response: SHORT, ..LONG }, "no response within 200ms");
}

#[test]
fn server_that_never_finishes_the_tls_handshake_is_given_up() {
    let error = failure(&silent_tls(), Timeouts { connect: SHORT, ..LONG });
    assert!(error.ends_with("no connection within 200ms (attempt 3)"), "{error}");
}

#[test]
fn server_that_stalls_within_the_body_is_given_up() {
    let server = Server::start(|mut request| {
        request.send_head("200 OK", "Content-Length: 1000")?;
        request.stream.write_all(&[0; 500])?;
        request.hang()
    });
    assert_temporary(&server, Timeouts { stall: SHORT, ..LONG }, "no data for 200ms");
}

/// Each byte arrives in time, so only the limit for the whole download ends this.
#[test]
fn server_that_sends_single_bytes_is_given_up() {
    let server = Server::start(|mut request| {
        request.send_head("200 OK", "Content-Length: 1000000")?;
        loop {
            request.stream.write_all(&[0])?;
            thread::sleep(Duration::from_millis(20));
        }
    });
    let total = Duration::from_millis(500);
    assert_temporary(&server, Timeouts { total, ..LONG }, "not finished within 500ms");
}

#[test]
fn refused_connection_is_tried_three_times() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = failure(&format!("http://{closed}"), LONG);
    assert!(error.ends_with("(attempt 3)") && error.to_lowercase().contains("refused"), "{error}");
}

#[test]
fn truncated_bodies_are_tried_three_times() {
    let cut_off = Server::start(|mut request| {
        request.send_head("200 OK", "Content-Length: 1000")?;
        request.stream.write_all(&[0; 500])
    });
    assert_temporary(&cut_off, LONG, "the server closed the connection too early");
    let chunked = Server::start(|mut request| {
        request.send_head("200 OK", "Transfer-Encoding: chunked")?;
        request.stream.write_all(b"5\r\nhello\r\n")
    });
    assert_temporary(&chunked, LONG, "the server closed the connection too early");
    let no_response = Server::start(|_| Ok(()));
    assert_temporary(&no_response, LONG, "the server closed the connection too early");
}

#[test]
fn temporary_errors_are_followed_by_another_attempt() {
    let server = Server::start(|request| match request.count {
        1 => request.send_status("500 Internal Server Error"),
        2 => request.send_status("429 Too Many Requests"),
        _ => request.send_mnist(),
    });
    let remote = Remote::new(vec![]);
    let source = remote.source().with_timeouts(LONG).with_mirror(format!("{}/", server.url));
    let fetched = source.fetch(&mut *go_on()).unwrap();
    assert_eq!(fetched.source, server.url, "without the trailing slash");
    assert_eq!(server.requests(), 6, "two errors and four files");
    assert_eq!(source.fetch(&mut *go_on()).unwrap().source, "cache");

    let broken = Server::start(|request| request.send_status("503 Service Unavailable"));
    assert_temporary(&broken, LONG, "HTTP status 503");
}

#[test]
fn missing_file_is_requested_once_and_the_next_mirror_is_used() {
    let missing = || Server::start(|request| request.send_status("404 Not Found"));
    assert_permanent(&missing(), "HTTP status 404");

    let (first, second) = (missing(), Server::mnist());
    let remote = Remote::new(vec![first.url.clone(), second.url.clone()]);
    let mut announced = Vec::new();
    let source = remote.source().with_timeouts(LONG);
    let fetched = source.fetch_announced(&mut |name| announced.push(name.to_owned()), &mut *go_on()).unwrap();
    assert_eq!((fetched.source, first.requests()), (second.url.clone(), 1));
    assert_eq!(announced, [second.url], "only the source that answers, and once");
}

#[test]
fn wrong_content_is_requested_once() {
    let page = Server::start(|request| request.send(b"<html>Please log in</html>"));
    assert_permanent(&page, "a web page instead of the file; the mirror may have moved");
    let damaged = Server::start(|request| request.send(&[0x1f, 0x8b, 8, 0, 1, 2, 3]));
    assert_permanent(&damaged, "cannot read");
    let empty = Server::start(|request| request.send(b""));
    assert_permanent(&empty, "SHA-256");
}

/// The first three files are MNIST's, the last is not: none may reach the cache.
#[test]
fn last_file_with_wrong_bytes_leaves_the_cache_untouched() {
    let mut labels = mnist_files()[3].clone();
    labels[100] ^= 1;
    let forged = gzip(&labels);
    let server = Server::start(move |request| match request.file() {
        3 => request.send(&forged),
        _ => request.send_mnist(),
    });
    let remote = Remote::new(vec![server.url.clone()]);
    let error = remote.source().with_timeouts(LONG).fetch(&mut *go_on()).unwrap_err();
    assert!(error.to_string().contains("t10k-labels-idx1-ubyte.gz: SHA-256"), "{error}");
    assert_eq!(server.requests(), 4);
    remote.assert_cache_untouched();
}

/// Each bomb has a valid header that announces far more images than MNIST has.
#[test]
fn gzip_bombs_are_refused() {
    let header = [0x803_u32, 1_000_000, 28, 28].map(u32::to_be_bytes).concat();
    let bomb = gzip(&[header, vec![0; 60 << 20]].concat());
    let nested = gzip(&bomb);
    let long = "more than the 47040016 bytes of MNIST's file";
    assert_permanent(&Server::start(move |request| request.send(&bomb)), long);
    assert_permanent(&Server::start(move |request| request.send(&nested)), "SHA-256");
}

#[test]
fn bodies_without_an_end_are_refused() {
    let endless = Server::start(|mut request| {
        request.send_head("200 OK", "Content-Type: application/gzip")?;
        loop {
            request.stream.write_all(&[0; 1 << 13])?;
        }
    });
    assert_permanent(&endless, "the file is larger than 47040016 bytes");
    let announced = Server::start(|mut request| {
        request.send_head("200 OK", "Content-Length: 1000000000000")?;
        request.hang()
    });
    assert_permanent(&announced, "the file is larger than 47040016 bytes");
}

#[test]
fn redirects_in_circles_end() {
    let server = Server::start(|mut request| {
        let location = format!("Location: {}\r\nContent-Length: 0", request.path);
        request.send_head("302 Found", &location)
    });
    let error = failure(&server.url, LONG);
    assert!(error.ends_with("more than 5 redirects"), "{error}");
    assert_eq!(server.requests(), 6);
}

#[test]
fn redirect_to_a_file_is_followed() {
    let files = Server::mnist();
    let target = files.url.clone();
    let server = Server::start(move |mut request| {
        let location = format!("Location: {target}{}\r\nContent-Length: 0", request.path);
        request.send_head("302 Found", &location)
    });
    let remote = Remote::new(vec![]);
    let source = remote.source().with_timeouts(LONG).with_mirror(server.url.clone());
    assert_eq!(source.fetch(&mut *go_on()).unwrap().source, server.url);
}

#[test]
fn forged_certificate_is_refused() {
    let (url, handshakes) = forged_tls();
    let error = failure(&url, LONG);
    assert!(error.contains("invalid peer certificate: UnknownIssuer"), "{error}");
    assert!(!error.contains("attempt"), "{error}");
    assert!(handshakes.recv().unwrap().is_err(), "the client ends the handshake");
    assert!(handshakes.try_recv().is_err(), "there is no second connection");
}

#[test]
fn mirror_without_http_is_an_error() {
    let remote = Remote::new(vec![]);
    for url in ["ftp://example.com/mnist", "example.com/mnist", "/home/me/mnist", "https:", ""] {
        let error = remote.source().with_mirror(url.to_owned()).fetch(&mut *go_on()).unwrap_err();
        assert!(matches!(&error, DataError::MirrorUrl(found) if found == url), "{error}");
        let words = format!("the mirror `{url}` is not a URL that starts with http:// or https://");
        assert_eq!(error.to_string(), words);
    }
    remote.assert_cache_untouched();
}

/// Fetches from `url` until the download has reached a state, then stops it and expects an answer within a second.
fn assert_stops(url: &str, timeouts: Timeouts, mut is_reached: impl FnMut(u64) -> bool) {
    let remote = Remote::new(vec![url.to_owned()]);
    let start = Instant::now();
    let (mut reached, mut stopped) = (None, None);
    let result = remote.source().with_timeouts(timeouts).fetch(&mut |_, done, _| {
        assert!(start.elapsed() < Duration::from_secs(30), "{url}: the state was not reached");
        if reached.is_none() && is_reached(done) {
            reached = Some(Instant::now());
        }
        // A little later, so that the download waits and does not just change its state.
        if reached.is_some_and(|reached| reached.elapsed() > SHORT) {
            stopped.get_or_insert_with(Instant::now);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let error = result.unwrap_err();
    let (reached, stopped) = (reached.unwrap(), stopped.unwrap());
    assert!(matches!(error, DataError::Interrupted), "{error}");
    assert!(stopped - reached < Duration::from_secs(1), "{url}: `progress` is called often");
    assert!(stopped.elapsed() < Duration::from_secs(1), "{url}: the download stops at once");
    remote.assert_cache_untouched();
}

#[test]
fn download_stops_while_it_waits_for_the_tls_handshake() {
    assert_stops(&silent_tls(), LONG, |_| true);
}

#[test]
fn download_stops_while_it_waits_for_the_response() {
    let server = Server::start(Request::hang);
    assert_stops(&server.url, LONG, |_| server.requests() == 1);
}

#[test]
fn download_stops_while_it_waits_for_the_body() {
    let server = Server::start(|mut request| {
        request.send_head("200 OK", "Content-Length: 1000")?;
        request.stream.write_all(&[0; 500])?;
        request.hang()
    });
    assert_stops(&server.url, LONG, |done| done == 500);
}

#[test]
fn download_stops_before_another_attempt() {
    let server = Server::start(|request| request.send_status("500 Internal Server Error"));
    let timeouts = Timeouts { pause: Duration::from_mins(1), ..LONG };
    assert_stops(&server.url, timeouts, |_| server.requests() == 1);
    assert_eq!(server.requests(), 1);
}

/// A queue of connections that nobody accepts is how a server hangs before the TCP handshake ends.
#[cfg(target_os = "linux")]
#[test]
fn server_that_accepts_no_connections_is_given_up_or_stopped() {
    use std::net::TcpStream;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, SHORT).ok();
    let queue: Vec<TcpStream> = std::iter::from_fn(connect).take(10_000).collect();
    assert!(queue.len() < 10_000, "the queue has an end");
    let url = format!("http://{address}");
    let error = failure(&url, Timeouts { connect: SHORT, ..LONG });
    assert!(error.ends_with("no connection within 200ms (attempt 3)"), "{error}");
    assert_stops(&url, LONG, |_| true);
}

/// A user whose cache is damaged keeps it as it is until a download succeeds.
#[test]
fn failed_download_changes_nothing_in_a_damaged_cache() {
    let server = Server::start(|request| match request.file() {
        3 => request.send_status("404 Not Found"),
        _ => request.send_mnist(),
    });
    let remote = Remote::new(vec![server.url.clone()]);
    std::fs::create_dir(remote.cache()).unwrap();
    let damaged = remote.cache().join("train-images-idx3-ubyte.gz");
    std::fs::write(&damaged, &mnist_gzipped()[0][..1000]).unwrap();
    let error = remote.source().with_timeouts(LONG).fetch(&mut *go_on()).unwrap_err();
    assert!(error.to_string().contains("HTTP status 404"), "{error}");
    let names: Vec<_> =
        std::fs::read_dir(remote.cache()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names, std::slice::from_ref(&damaged));
    assert_eq!(std::fs::read(&damaged).unwrap(), &mnist_gzipped()[0][..1000]);
}

/// Another attempt at one file must not mix its bytes with those of the attempt before.
#[test]
fn file_that_is_cut_off_once_is_downloaded_completely() {
    let server = Server::start(|mut request| {
        if request.count == 1 {
            request.send_head("200 OK", "Content-Length: 1000000")?;
            return request.stream.write_all(&mnist_gzipped()[0][..500_000]);
        }
        request.send_mnist()
    });
    let remote = Remote::new(vec![server.url.clone()]);
    let source = remote.source().with_timeouts(LONG);
    assert_eq!(source.fetch(&mut *go_on()).unwrap().source, server.url);
    let offline = remote.source().with_remotes(remote.cache(), vec![], NO_NPM.into());
    assert_eq!(offline.fetch(&mut *go_on()).unwrap().are_known(), Some(vec![true; 4]));
}
