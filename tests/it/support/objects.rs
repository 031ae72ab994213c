//! One object store for the tests of this process. Tests keep apart by the keys they use.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use etrplus::config::S3Config;
use etrplus::embedded::s3::{Options, S3Server};

/// The store's address and credentials, as a server's configuration has them.
pub async fn s3() -> S3Config {
    static STORE: OnceLock<S3Config> = OnceLock::new();
    tokio::task::spawn_blocking(|| STORE.get_or_init(start).clone()).await.unwrap()
}

const BUCKET: &str = "etrplus-tests";

fn root() -> PathBuf {
    std::env::temp_dir().join(format!("etrplus-tests-s3-{}", std::process::id()))
}

/// Where an object lies on the disk, for stories about disks.
pub fn path(key: &str) -> PathBuf {
    root().join(BUCKET).join(key)
}

/// Objects whose key contains a text.
pub fn named_like(text: &str) -> Vec<String> {
    let mut folders = vec![root().join(BUCKET)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains(text) {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// Serves from a thread of its own, because a test's runtime ends with the test.
fn start() -> S3Config {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let root = root();
            std::fs::create_dir_all(&root).unwrap();
            let _lifeline = remove_at_the_end(&root);
            let server = S3Server::start(Options {
                root,
                bucket: BUCKET.into(),
                port: 0,
                access_key_id: "tests".into(),
                secret_access_key: "a-secret-of-the-tests".to_owned().into(),
            })
            .await
            .unwrap();
            tell.send(S3Config {
                bucket: server.bucket.clone(),
                region: server.region.to_owned(),
                endpoint: Some(server.endpoint.clone()),
                access_key_id: server.access_key_id.clone(),
                secret_access_key: server.secret_access_key.clone(),
            })
            .unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

/// Removes the directory when this process is gone, however it ends: the shell reads a pipe that nobody writes to.
/// The pipe is open for as long as the result is held.
#[expect(clippy::zombie_processes, reason = "it outlives this process on purpose")]
fn remove_at_the_end(directory: &Path) -> ChildStdin {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", r#"read -r nothing; rm -rf -- "$1""#, "etrplus-tests"])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap()
}
