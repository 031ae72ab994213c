//! A data directory: made whole or not at all, checked before use.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::super::{Error, Result};
use super::account::Account;
use super::binaries::Binaries;

/// The major version that made the data directory; `None` when there is none yet.
pub fn made_by(data: &Path) -> Result<Option<u32>> {
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| Error::NotOurs(data.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let begun = fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
            if begun { Err(Error::NotOurs(data.into())) } else { Ok(None) }
        }
        Err(cause) => Err(Error::NoPermission { path: data.into(), user: "you".into(), cause }),
    }
}

/// Makes a data directory under another name and renames it, so that an interrupted start leaves none.
///
/// `durable` waits until it is on disk. False: it failed, and `log` says why.
pub fn create(
    data: &Path,
    binaries: &Binaries,
    account: &Account,
    durable: bool,
    log: &File,
) -> Result<bool> {
    let unfinished = data.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|cause| refused(&unfinished, account, cause))?;
    }
    account.create_directory(&unfinished)?;
    let mut initdb = account.command(&binaries.program("initdb"));
    initdb.arg("--pgdata").arg(&unfinished);
    // Only the owner of the socket's directory gets as far as to log in.
    initdb.args(["--username=postgres", "--auth-local=trust", "--auth-host=reject"]);
    // The same order of text on every machine.
    initdb.args(["--encoding=UTF8", "--locale=C", "--no-instructions"]);
    if !durable || cfg!(target_os = "linux") {
        initdb.arg("--no-sync");
    }
    let output = || log.try_clone().map_err(|cause| refused(data, account, cause));
    initdb.stdin(Stdio::null()).stdout(output()?).stderr(output()?);
    initdb.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    let status = initdb.status().map_err(|cause| refused(&binaries.folder, account, cause))?;
    if status.success() {
        #[cfg(target_os = "linux")]
        if durable {
            // All of it at once: initdb waits for each of a thousand files in turn.
            let synced = File::open(&unfinished).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
            synced.map_err(|cause| refused(&unfinished, account, cause))?;
        }
        // An empty directory of that name would stand in the way.
        let _ = fs::remove_dir(data);
        fs::rename(&unfinished, data).map_err(|cause| refused(data, account, cause))?;
    }
    Ok(status.success())
}

/// A private directory for the socket, short enough for the kernel's limit on socket names.
pub fn socket_directory(home: &Path, account: &Account) -> Result<PathBuf> {
    let near = home.join("socket");
    let place = if fits_a_socket(&near) { near } else { short_place(home) };
    match fs::symlink_metadata(&place) {
        Err(error) if error.kind() == ErrorKind::NotFound => account.create_directory(&place)?,
        // In /tmp somebody else could have put it there first.
        Ok(found) if found.is_dir() && account.owns(&found) => {}
        _ => {
            let cause = std::io::Error::new(ErrorKind::PermissionDenied, "it belongs to another user");
            return Err(refused(&place, account, cause));
        }
    }
    Ok(place)
}

/// `sun_path` holds 104 bytes on macOS and 108 on Linux; the server adds `/.s.PGSQL.5432`. Its list of
/// directories gives commas and quotes a meaning, and the URL should need no decoding beyond the slashes.
fn fits_a_socket(directory: &Path) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let text = directory.as_os_str().as_encoded_bytes();
    text.len() <= 80 && text.iter().copied().all(plain)
}

fn short_place(home: &Path) -> PathBuf {
    use std::hash::{Hash as _, Hasher as _};
    let mut hasher = siphasher::sip::SipHasher13::new();
    home.hash(&mut hasher);
    let user = rustix::process::geteuid().as_raw();
    PathBuf::from(format!("/tmp/etrplus-{user}-{:016x}", hasher.finish()))
}

pub fn refused(path: &Path, account: &Account, cause: std::io::Error) -> Error {
    Error::NoPermission { path: path.into(), user: account.name.clone(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_other_peoples_files_is_refused() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(made_by(home.path()).unwrap(), None, "an empty one is fine");
        assert_eq!(made_by(&home.path().join("missing")).unwrap(), None);
        fs::write(home.path().join("thesis.tex"), "").unwrap();
        assert!(matches!(made_by(home.path()), Err(Error::NotOurs(_))));
        fs::write(home.path().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(made_by(home.path()).unwrap(), Some(15));
    }

    #[test]
    fn long_or_odd_paths_get_a_short_socket_of_their_own() {
        assert!(fits_a_socket(Path::new("/home/me/etrplus/.etrplus/socket")));
        for odd in [format!("/home/{}/socket", "x".repeat(90)), "/a, b/socket".into(), "/a'b/socket".into()] {
            assert!(!fits_a_socket(Path::new(&odd)), "{odd}");
        }
        let (one, other) = (short_place(Path::new("/a")), short_place(Path::new("/b")));
        assert_ne!(one, other);
        assert!(fits_a_socket(&one));
    }
}
