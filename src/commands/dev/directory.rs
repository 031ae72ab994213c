//! The data directory of `etrplus dev`: ours or empty, used by one process at a time, private.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::embedded::postgres;
use crate::privacy::random;

/// Marks a directory as ours; whoever holds the lock on it uses the directory.
const LOCK: &str = "dev.lock";
/// Names the place of Postgres's files where the server's user cannot enter the directory itself.
const ELSEWHERE: &str = "postgres.location";
/// A process that was just killed may hold the lock a moment longer.
const LOCK_LIMIT: Duration = Duration::from_millis(500);

/// A directory that this process alone uses.
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Opens or creates the directory; `reset` empties it first.
    ///
    /// # Errors
    /// One sentence: the directory holds files of others, another process uses it, or it cannot be written.
    pub fn open(path: &Path, reset: bool) -> Result<DataDirectory> {
        let shown = path.display();
        fs::DirBuilder::new().recursive(true).mode(0o711).create(path).with_context(|| {
            format!("the data directory {shown} cannot be created: choose another with --data")
        })?;
        let path =
            fs::canonicalize(path).with_context(|| format!("the data directory {shown} cannot be opened"))?;
        if !is_ours(&path)? {
            bail!("{shown} holds files that are not eTR+'s: choose an empty or a new directory with --data");
        }
        let lock = lock(&path)?;
        let directory = DataDirectory { path, _lock: lock };
        // The user that runs Postgres for root passes through; what is secret in here has modes of its own.
        fs::set_permissions(&directory.path, fs::Permissions::from_mode(0o711)).with_context(|| {
            format!("{shown} belongs to another user: choose another directory with --data")
        })?;
        if reset {
            directory.clear().with_context(|| format!("{shown} cannot be emptied"))?;
        }
        Ok(directory)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where Postgres keeps its files: inside, or in `/var/lib/etrplus` when root's server may not enter here.
    pub fn postgres_home(&self) -> Result<PathBuf> {
        let (inside, note) = (self.file("postgres"), self.file(ELSEWHERE));
        if let Some(place) = self.elsewhere() {
            return Ok(place);
        }
        if postgres::is_reachable(&inside) {
            return Ok(inside);
        }
        // Random, so that a directory that is made anew never meets the data of an old one.
        let place = Path::new("/var/lib/etrplus").join(format!("dev-{}", hex::encode(random::bytes::<8>())));
        fs::write(&note, format!("{}\n", place.display()))
            .with_context(|| format!("{} cannot be written", note.display()))?;
        Ok(place)
    }

    fn elsewhere(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(self.file(ELSEWHERE)).ok()?;
        Some(PathBuf::from(text.trim_end()))
    }

    /// Reads a JSON file; `None` when there is none.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.file(name);
        let shown = path.display();
        match fs::read(&path) {
            Ok(text) => {
                let value = serde_json::from_slice(&text);
                Ok(Some(value.with_context(|| {
                    format!("{shown} is damaged: restore it, or start over with --reset")
                })?))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{shown} cannot be read")),
        }
    }

    /// Writes a JSON file that only its owner may read, whole or not at all.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.write_bytes(name, &text)
    }

    /// As [`DataDirectory::write`], for bytes.
    pub fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (path, unfinished) = (self.file(name), self.file(&format!("{name}.new")));
        let write = || {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Removes everything but the lock.
    fn clear(&self) -> std::io::Result<()> {
        if let Some(place) = self.elsewhere()
            && place.exists()
        {
            fs::remove_dir_all(place)?;
        }
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                _ if entry.file_name() == OsStr::new(LOCK) => {}
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }
}

fn is_ours(path: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(path.join(LOCK).exists() || entries.next().is_none())
}

/// Takes the lock; it ends with the process, whatever happens.
fn lock(directory: &Path) -> Result<File> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let file = file.with_context(|| {
        format!("{} cannot be written: choose another directory with --data", directory.display())
    })?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_LIMIT => {
                std::thread::sleep(LOCK_LIMIT / 20);
            }
            Err(TryLockError::WouldBlock) => bail!(
                "another `etrplus dev` uses {}: stop it, or choose another directory with --data",
                directory.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{} cannot be locked", path.display()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_used_by_one_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("new/dev");
        let first = DataDirectory::open(&path, false).unwrap();
        let error = DataDirectory::open(&path, false).err().unwrap().to_string();
        assert!(error.starts_with("another `etrplus dev` uses "), "{error}");
        drop(first);
        DataDirectory::open(&path, false).unwrap();
    }

    #[test]
    fn a_directory_of_others_is_refused_and_left_alone_even_by_reset() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("thesis.tex"), "ten years").unwrap();
        let error = DataDirectory::open(home.path(), true).err().unwrap().to_string();
        assert!(error.contains("holds files that are not eTR+'s"), "{error}");
        assert_eq!(fs::read(home.path().join("thesis.tex")).unwrap(), b"ten years");
    }

    #[test]
    fn reset_empties_what_is_ours() {
        let home = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(home.path(), false).unwrap();
        directory.write("dev.json", &["something"]).unwrap();
        fs::create_dir(directory.file("s3")).unwrap();
        drop(directory);
        let directory = DataDirectory::open(home.path(), true).unwrap();
        assert_eq!(directory.read::<Vec<String>>("dev.json").unwrap(), None);
        assert!(!directory.file("s3").exists());
    }

    #[test]
    fn files_are_private_and_a_damaged_one_says_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(home.path(), false).unwrap();
        directory.write("dev.json", &["secret"]).unwrap();
        let mode = fs::metadata(directory.file("dev.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(directory.file("dev.json"), "{").unwrap();
        let error = directory.read::<Vec<String>>("dev.json").unwrap_err().to_string();
        assert!(error.contains("is damaged") && error.contains("--reset"), "{error}");
    }
}
