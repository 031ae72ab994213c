//! A temporary file for what a batch's row set cannot hold in memory: keyed hashes and record numbers, nothing else.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::domain::rules::Spill;
use crate::privacy::random;

/// A file without a name, which is gone with the process that wrote it. Made when it is first needed: most batches
/// never do.
#[derive(Debug)]
pub struct TempFile {
    directory: PathBuf,
    file: Option<File>,
    length: u64,
}

impl TempFile {
    pub fn new(directory: &Path) -> TempFile {
        TempFile { directory: directory.to_owned(), file: None, length: 0 }
    }

    fn open(&self) -> Result<File> {
        let path = self.directory.join(format!("etrplus-{}", random::uuid_v4()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        remove_file(&path)?;
        Ok(file)
    }
}

impl Spill for TempFile {
    type Error = Error;

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.file.as_ref().ok_or(ErrorKind::NotFound)?.read_exact_at(into, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_the_directory_stays_empty() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = TempFile::new(directory.path());
        let mut read = [0; 5];
        assert_eq!(file.read(0, &mut read).unwrap_err().kind(), ErrorKind::NotFound);
        file.append(b"one ").unwrap();
        file.append(b"and two").unwrap();
        file.read(2, &mut read).unwrap();
        assert_eq!(&read, b"e and");
        assert_eq!(file.read(8, &mut read).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_when_it_is_needed() {
        let mut file = TempFile::new(Path::new("/nowhere/at/all"));
        assert_eq!(file.append(b"1").unwrap_err().kind(), ErrorKind::NotFound);
    }
}
