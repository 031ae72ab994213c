//! Which operating-system user the server runs as, and where that user may go.
//!
//! Postgres refuses root. A process of root starts it as `postgres`, or as `nobody` where there is no such
//! user, and gives that user the data directory.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::{Error, Result};

/// The user that runs the server.
#[derive(Clone, Debug)]
pub struct Account {
    pub name: String,
    uid: u32,
    gid: u32,
    /// Set when we are root and the server must not be.
    switch: bool,
}

impl Account {
    /// Ourselves, or a lesser user when we are root.
    pub fn choose() -> Result<Account> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            let gid = rustix::process::getegid().as_raw();
            return Ok(Account { name: "you".into(), uid, gid, switch: false });
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"].iter().find_map(|name| user_in(&users, name)).ok_or(Error::NoAccount)
    }

    /// A command that will run as this user, in a folder that every user may enter.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/");
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// A new private directory (mode 0700) of this user.
    pub fn create_directory(&self, path: &Path) -> Result<()> {
        let refused = |cause| Error::NoPermission { path: path.into(), user: "you".into(), cause };
        fs::create_dir(path).map_err(refused)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(refused)?;
        if self.switch {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).map_err(refused)?;
        }
        Ok(())
    }

    pub fn owns(&self, metadata: &Metadata) -> bool {
        metadata.uid() == self.uid
    }

    /// The first folder on the way to `path`, itself included, that this user may not enter.
    pub fn barred_from(&self, path: &Path) -> Option<PathBuf> {
        if !self.switch {
            return None; // Our own trouble shows when we open the files.
        }
        let way: Vec<&Path> = path.ancestors().collect();
        way.into_iter().rev().find(|folder| !self.may_enter(folder)).map(Path::to_path_buf)
    }

    fn may_enter(&self, folder: &Path) -> bool {
        fs::metadata(folder).is_ok_and(|metadata| {
            let bit = match () {
                () if metadata.uid() == self.uid => 0o100,
                () if metadata.gid() == self.gid => 0o010,
                () => 0o001,
            };
            metadata.mode() & bit != 0
        })
    }
}

/// Looks a user up in the text of a passwd file (name:password:uid:gid:…).
fn user_in(passwd: &str, name: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2).map(|field| field.parse::<i64>().ok());
    let (uid, gid) = (numbers.next()??, numbers.next()??);
    // macOS writes `nobody` as -2, which the kernel reads as an unsigned number.
    let (uid, gid) = (uid as u32, gid as u32);
    (uid != 0).then(|| Account { name: name.to_owned(), uid, gid, switch: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name_and_never_when_it_is_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgresql:x:7:7::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\n\
                      nobody:*:-2:-2::/:/usr/bin/false\nodd:x:0:0::/:/bin/sh\n";
        let found = |name| user_in(passwd, name).map(|account| (account.uid, account.gid));
        assert_eq!(found("postgres"), Some((101, 104)));
        assert_eq!(found("nobody"), Some((4_294_967_294, 4_294_967_294)));
        assert_eq!(found("odd"), None);
        assert_eq!(found("missing"), None);
    }

    #[test]
    fn a_folder_that_a_lesser_user_may_not_enter_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let closed = root.path().join("closed");
        let inside = closed.join("inside");
        fs::create_dir_all(&inside).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account { name: "stranger".into(), uid: 4_000_000, gid: 4_000_000, switch: true };
        assert_eq!(stranger.barred_from(&inside), Some(closed.clone()));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.barred_from(&inside), None);
    }
}
