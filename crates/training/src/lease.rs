//! A lease on a folder: a small file that its holder renews while it works there. It keeps out the processes of other
//! machines, which a lock does not reach on some network file systems.
//!
//! On one machine, the lock decides: it ends with its process, even after a kill. So a lease from this machine is void
//! for whoever holds the lock. A lease from another machine is valid until it was not renewed for [`EXPIRY`].

use std::{
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::{self, ErrorKind, Read, Seek, Write},
    path::{Path, PathBuf},
    process,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use mnist_data::input::{self, shown};
use serde::{Deserialize, Serialize};
use sysinfo::System;

use crate::TrainingError;

/// The file of the lease.
pub const LEASE: &str = "lease";

/// Time between two renewals.
const RENEWAL: Duration = Duration::from_secs(10);

/// Time without a renewal after which a lease has expired. It is longer than network file systems remember the time of a
/// file (60 seconds at most, and not after opening it) and than short hangs of a file server.
const EXPIRY: Duration = Duration::from_mins(1);

/// Largest size of the file, in bytes.
const MOST: u64 = 4096;

/// A process that works in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    /// Name of its machine, for people. Containers of one machine have different names.
    host: String,
    /// Identifies the machine's start: another machine of the same name has another value. Empty where the system has
    /// none.
    boot: String,
    /// Number of the process, for people.
    process: u32,
    /// A random number, different for each lease.
    token: String,
}

impl Holder {
    fn current() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let token = RandomState::new().hash_one(SystemTime::now());
        Self {
            host: System::host_name().unwrap_or_default(),
            boot: boot.trim().to_owned(),
            process: process::id(),
            token: format!("{token:016x}"),
        }
    }

    fn is_on_machine_of(&self, other: &Self) -> bool {
        (&self.host, &self.boot) == (&other.host, &other.boot)
    }
}

/// The content of a lease's file, and when it was renewed.
struct Found {
    text: String,
    renewed: SystemTime,
}

impl Found {
    /// Reads the lease in a folder. Returns `None` if there is none.
    fn read(folder: &Path) -> io::Result<Option<Self>> {
        Self::read_file(&folder.join(LEASE))
    }

    fn read_file(path: &Path) -> io::Result<Option<Self>> {
        // Opening the file makes a network file system ask the server for its time.
        let (mut file, _) = match input::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(MOST).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Some(Self { text, renewed: file.metadata()?.modified()? }))
    }

    fn holder(&self) -> Option<Holder> {
        serde_json::from_str(&self.text).ok()
    }

    /// Returns whether the lease keeps out `us`. `has_lock` says whether we hold the folder's lock.
    fn is_valid_for(
        &self,
        us: &Holder,
        has_lock: bool,
        clock: Clock<'_>,
        expiry: Duration,
    ) -> io::Result<bool> {
        if has_lock && self.holder().is_some_and(|holder| holder.is_on_machine_of(us)) {
            return Ok(false);
        }
        // A time in the future is no reason to wait forever.
        let age = |now: SystemTime| now.duration_since(self.renewed).unwrap_or_else(|error| error.duration());
        if age(SystemTime::now()) < expiry {
            return Ok(true);
        }
        match clock {
            Clock::Own => Ok(false),
            Clock::OfServer(folder) => match now_on(folder, us) {
                // The holder of the folder has removed temporary files, so there is one.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
                now => Ok(age(now?) < expiry),
            },
        }
    }
}

/// The clock that decides whether a lease has expired.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock<'a> {
    /// This machine's clock. It may be wrong, so it is only for showing.
    Own,
    /// If this machine's clock says that the lease has expired, the clock of this folder's file server too. Asking it
    /// means to write a file there.
    OfServer(&'a Path),
}

/// A lease that this process holds and renews. Dropping it removes its file.
#[derive(Debug)]
pub(crate) struct Lease {
    folder: PathBuf,
    text: String,
    /// Dropping the sender ends the thread that renews the lease.
    renewing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Lease {
    /// Takes the lease on an existing folder. Returns `None` while a process of another machine holds it.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub(crate) fn try_take(folder: &Path, has_lock: bool) -> Result<Option<Self>, TrainingError> {
        let taken = Self::take(folder, &Holder::current(), has_lock, [RENEWAL, EXPIRY]);
        taken.map_err(TrainingError::file("lock", folder.join(LEASE)))
    }

    fn take(
        folder: &Path,
        us: &Holder,
        has_lock: bool,
        [renewal, expiry]: [Duration; 2],
    ) -> io::Result<Option<Self>> {
        let text = serde_json::to_string(us)?;
        let path = folder.join(LEASE);
        if let Some(found) = Found::read(folder)?
            && (found.is_valid_for(us, has_lock, Clock::OfServer(folder), expiry)?
                || !remove_expired(folder, us, &found)?)
        {
            return Ok(None);
        }
        if !create(folder, us, &text)? {
            return Ok(None);
        }
        let (stop, stopped) = mpsc::channel();
        let mut lease = Self { folder: folder.to_owned(), text: text.clone(), renewing: None };
        let renew = move || {
            while stopped.recv_timeout(renewal) == Err(RecvTimeoutError::Timeout) {
                // A failed renewal is tried again. `check` notices if another process has the lease.
                let _ = renew(&path, &text);
            }
        };
        lease.renewing = Some((stop, thread::Builder::new().name("lease".into()).spawn(renew)?));
        Ok(Some(lease))
    }

    /// Checks that no other process has taken over the lease, because this one has not renewed it for a while. The other
    /// process may have ended since, and removed its lease.
    ///
    /// # Errors
    /// When another process has, or the lease cannot be read.
    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        let found = Found::read(&self.folder);
        let found = found.map_err(TrainingError::file("read", self.folder.join(LEASE)))?;
        let is_ours = found.as_ref().is_some_and(|found| found.text == self.text);
        // If somebody has removed the folder, the next write fails.
        if is_ours || !self.folder.exists() {
            return Ok(());
        }
        let holder = found.and_then(|found| found.holder()).map_or("another process".to_owned(), |holder| {
            format!("process {} on {}", holder.process, shown(&holder.host))
        });
        Err(TrainingError::TakenOver { path: self.folder.clone(), holder })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.renewing.take() {
            drop(stop);
            // It only ends early by a panic, and then nothing is left to stop.
            let _ = thread.join();
        }
        if let Ok(Some(found)) = Found::read(&self.folder)
            && found.text == self.text
        {
            // A file that stays expires.
            let _ = fs::remove_file(self.folder.join(LEASE));
        }
    }
}

/// Returns whether a process of another machine holds the lease on a folder. Without a lock, any process.
///
/// # Errors
/// When the lease cannot be read.
pub(crate) fn is_held(folder: &Path, has_lock: bool, clock: Clock<'_>) -> Result<bool, TrainingError> {
    let held = Found::read(folder).and_then(|found| match found {
        Some(found) => found.is_valid_for(&Holder::current(), has_lock, clock, EXPIRY),
        None => Ok(false),
    });
    held.map_err(TrainingError::file("read", folder.join(LEASE)))
}

/// Creates a lease with its content, unless there is one. Returns whether this process has created it.
fn create(folder: &Path, us: &Holder, text: &str) -> io::Result<bool> {
    let (path, temporary) = (folder.join(LEASE), temporary(folder, us));
    if let Err(error) = fs::write(&temporary, text) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // A link appears at once, and fails if the name is taken, on network file systems too.
    let linked = fs::hard_link(&temporary, &path);
    let _ = fs::remove_file(&temporary);
    match linked.map_err(|error| error.kind()) {
        Ok(()) => Ok(true),
        // Not found: the holder of the folder has removed temporary files.
        Err(ErrorKind::AlreadyExists | ErrorKind::NotFound) => Ok(false),
        // Some file systems have no links.
        Err(_) => match File::options().write(true).create_new(true).open(&path) {
            Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        },
    }
}

/// Removes an expired lease. Returns whether this process has: of several that found it expired, only one can rename it.
fn remove_expired(folder: &Path, us: &Holder, expired: &Found) -> io::Result<bool> {
    let moved = temporary(folder, us);
    match fs::rename(folder.join(LEASE), &moved) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        renamed => renamed?,
    }
    match Found::read_file(&moved)? {
        Some(found) if found.text == expired.text => {
            let _ = fs::remove_file(&moved);
            Ok(true)
        }
        // Another process was faster, and this is its new lease: put it back.
        Some(found) => create(folder, us, &found.text).map(|_| false),
        // The holder of the folder has removed temporary files.
        None => Ok(false),
    }
}

/// Writes the same content again, which sets the file's time. Does nothing if the lease is no longer ours.
fn renew(path: &Path, text: &str) -> io::Result<()> {
    if !path.metadata()?.is_file() {
        // Reading a named pipe would wait for its writer.
        return Ok(());
    }
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(MOST).read_to_end(&mut bytes)?;
    if bytes != text.as_bytes() {
        return Ok(());
    }
    file.rewind()?;
    file.write_all(&bytes)
}

/// Returns the time of the file server, which sets the times of files: that of a file written now. The clocks of two
/// machines may differ.
fn now_on(folder: &Path, us: &Holder) -> io::Result<SystemTime> {
    let path = temporary(folder, us);
    let written = fs::write(&path, "now").and_then(|()| path.metadata()?.modified());
    let _ = fs::remove_file(&path);
    written
}

/// Returns a temporary name, of the form that the crate `atomic-write-file` uses too. If a process is killed, the next one
/// recognizes and removes the file.
fn temporary(folder: &Path, us: &Holder) -> PathBuf {
    folder.join(format!(".{LEASE}.{}", &us.token[..6]))
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    const FOREVER: Duration = Duration::from_hours(1);
    const MOMENT: Duration = Duration::from_millis(20);

    /// Returns a new process on the machine of this name.
    fn on(host: &str) -> Holder {
        Holder { host: host.into(), ..Holder::current() }
    }

    fn take(folder: &Path, us: &Holder, has_lock: bool, times: [Duration; 2]) -> Option<Lease> {
        Lease::take(folder, us, has_lock, times).unwrap()
    }

    #[test]
    fn another_machine_is_kept_out_while_the_lease_is_renewed() {
        let folder = tempdir().unwrap();
        let expiry = 20 * MOMENT;
        let lease = take(folder.path(), &on("a"), true, [MOMENT, expiry]).unwrap();
        for _ in 0..3 {
            thread::sleep(expiry / 2);
            // Where locks are local, both machines hold one.
            assert!(take(folder.path(), &on("b"), true, [MOMENT, expiry]).is_none());
        }
        lease.check().unwrap();
        drop(lease);
        assert!(!folder.path().join(LEASE).exists());
        assert!(take(folder.path(), &on("b"), true, [MOMENT, expiry]).is_some());
    }

    #[test]
    fn lease_that_is_not_renewed_is_taken_over_and_its_holder_notices() {
        let folder = tempdir().unwrap();
        let suspended = take(folder.path(), &on("a"), false, [FOREVER, MOMENT]).unwrap();
        suspended.check().unwrap();
        thread::sleep(2 * MOMENT);
        let us = on("b");
        let next = take(folder.path(), &us, false, [FOREVER, MOMENT]).unwrap();
        let error = suspended.check().unwrap_err().to_string();
        assert!(error.contains(&format!("process {} on b", us.process)), "{error}");
        // The holder does not remove or renew a lease that is no longer its own.
        renew(&folder.path().join(LEASE), &suspended.text).unwrap();
        drop(suspended);
        next.check().unwrap();
    }

    #[test]
    fn takeover_that_has_ended_is_noticed() {
        let folder = tempdir().unwrap();
        let suspended = take(folder.path(), &on("a"), false, [FOREVER, MOMENT]).unwrap();
        thread::sleep(2 * MOMENT);
        drop(take(folder.path(), &on("b"), false, [FOREVER, MOMENT]).unwrap());
        let error = suspended.check().unwrap_err().to_string();
        assert!(error.starts_with("another process has taken over "), "{error}");
    }

    #[test]
    fn one_of_many_processes_takes_over_an_expired_lease() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join(LEASE), "expired").unwrap();
        let file = File::options().write(true).open(folder.path().join(LEASE)).unwrap();
        file.set_modified(SystemTime::now() - 2 * FOREVER).unwrap();
        let hosts: Vec<Holder> = (0..20).map(|host| on(&host.to_string())).collect();
        let taken: Vec<Lease> = thread::scope(|scope| {
            let started: Vec<_> = hosts
                .iter()
                .map(|us| scope.spawn(|| take(folder.path(), us, true, [FOREVER, FOREVER])))
                .collect();
            started.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(taken.iter().filter(|lease| lease.check().is_ok()).count(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are left");
    }

    #[test]
    fn slower_process_does_not_take_over_the_lease_of_a_faster_one() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join(LEASE), "expired").unwrap();
        let expired = Found::read(folder.path()).unwrap().unwrap();
        thread::sleep(2 * MOMENT);
        let faster = take(folder.path(), &on("a"), true, [FOREVER, MOMENT]).unwrap();
        assert!(!remove_expired(folder.path(), &on("b"), &expired).unwrap());
        faster.check().unwrap();
        drop(faster);
        assert!(!remove_expired(folder.path(), &on("b"), &expired).unwrap(), "the lease is gone");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn lease_is_valid_if_the_server_cannot_be_asked_for_its_time() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join(LEASE), "").unwrap();
        let found = Found::read(folder.path()).unwrap().unwrap();
        thread::sleep(2 * MOMENT);
        let valid = |clock| found.is_valid_for(&on("a"), true, clock, MOMENT).unwrap();
        assert!(!valid(Clock::OfServer(folder.path())));
        assert!(valid(Clock::OfServer(&folder.path().join("missing"))));
    }

    #[cfg(unix)]
    #[test]
    fn named_pipe_is_refused() {
        let folder = tempdir().unwrap();
        let lease = take(folder.path(), &on("a"), true, [FOREVER, FOREVER]).unwrap();
        let path = folder.path().join(LEASE);
        fs::remove_file(&path).unwrap();
        assert!(process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        // None of these waits for a writer.
        renew(&path, &lease.text).unwrap();
        let error = lease.check().unwrap_err().to_string();
        assert!(error.ends_with("it is not a regular file"), "{error}");
        drop(lease);
        let error = Lease::try_take(folder.path(), true).unwrap_err().to_string();
        assert!(error.ends_with("it is not a regular file"), "{error}");
        is_held(folder.path(), true, Clock::Own).unwrap_err();
    }

    #[test]
    fn lease_of_a_killed_process_on_the_same_machine_is_void_for_who_holds_the_lock() {
        let folder = tempdir().unwrap();
        let mut killed = take(folder.path(), &on("a"), true, [FOREVER, FOREVER]).unwrap();
        killed.renewing = None;
        assert!(take(folder.path(), &on("a"), false, [FOREVER, FOREVER]).is_none(), "locks are refused");
        assert!(take(folder.path(), &on("b"), true, [FOREVER, FOREVER]).is_none(), "another machine");
        let other_start = Holder { boot: "2".into(), ..on("a") };
        assert!(take(folder.path(), &other_start, true, [FOREVER, FOREVER]).is_none(), "another start");
        assert!(take(folder.path(), &on("a"), true, [FOREVER, FOREVER]).is_some());
    }

    #[test]
    fn lease_of_a_killed_process_keeps_another_machine_out_until_it_expires() {
        let folder = tempdir().unwrap();
        let expiry = 20 * MOMENT;
        let mut killed = take(folder.path(), &on("a"), true, [FOREVER, expiry]).unwrap();
        killed.renewing = None;
        assert!(take(folder.path(), &on("b"), true, [FOREVER, expiry]).is_none());
        thread::sleep(2 * expiry);
        assert!(take(folder.path(), &on("b"), true, [FOREVER, expiry]).is_some());
    }

    #[test]
    fn one_of_many_processes_gets_the_lease() {
        let folder = tempdir().unwrap();
        let hosts: Vec<Holder> = (0..20).map(|host| on(&host.to_string())).collect();
        let taken: Vec<Lease> = thread::scope(|scope| {
            let started: Vec<_> = hosts
                .iter()
                .map(|us| scope.spawn(|| take(folder.path(), us, true, [FOREVER, FOREVER])))
                .collect();
            started.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(taken.len(), 1);
        taken[0].check().unwrap();
    }

    #[test]
    fn damaged_lease_keeps_everybody_out_until_it_expires() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join(LEASE), "").unwrap();
        assert!(take(folder.path(), &on("a"), true, [FOREVER, FOREVER]).is_none());
        thread::sleep(2 * MOMENT);
        assert!(take(folder.path(), &on("a"), true, [FOREVER, MOMENT]).is_some());
    }

    #[test]
    fn time_in_the_future_does_not_keep_a_lease_forever() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join(LEASE), "").unwrap();
        let file = File::options().write(true).open(folder.path().join(LEASE)).unwrap();
        file.set_modified(SystemTime::now() + FOREVER).unwrap();
        assert!(take(folder.path(), &on("a"), true, [FOREVER, 10 * MOMENT]).is_some());
    }
}
