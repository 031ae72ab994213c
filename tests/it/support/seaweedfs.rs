//! A SeaweedFS on loopback: an S3 of another make than the embedded one, and a REST catalog of Iceberg.
//!
//! The program comes with the Python packages of the tests. One server per story, in a directory of its own; it ends
//! with the story or with this process, however that ends, because a shell waits on a pipe that this process holds.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use etrplus::config::S3Config;
use serde_json::json;

use super::python;

/// A bucket for objects by key.
pub const BUCKET: &str = "etrplus-tests";
/// A bucket that the catalog keeps tables in; its objects cannot be written around the catalog.
pub const TABLES: &str = "lake";
const KEY_ID: &str = "tests";
const SECRET: &str = "a-secret-of-the-tests";

/// Runs the program named after the directory and the ports; takes both away when the pipe ends.
const SCRIPT: &str = r#"home=$1 ports=$2; shift 2
"$@" </dev/null >"$home/log" 2>&1 & server=$!
read -r nothing
kill -KILL $server 2>/dev/null; wait $server
for port in $ports; do rm -f /tmp/seaweedfs-*-"$port".sock; done
rm -rf -- "$home""#;

/// A running server.
pub struct SeaweedFs {
    /// How the server's bucket is reached: path style, as with every store that has an endpoint.
    pub s3: S3Config,
    /// Where the REST catalog answers; it takes the S3 credentials as an OAuth2 client.
    pub catalog_uri: String,
    /// Holds the pipe.
    shell: Child,
}

impl SeaweedFs {
    /// Returns when store and catalog answer, after about a second.
    pub async fn start() -> SeaweedFs {
        tokio::task::spawn_blocking(|| {
            // A port that was free may be taken by the time that it is asked for.
            (0..3).find_map(|_| start_once()).expect("SeaweedFS does not start on loopback")
        })
        .await
        .unwrap()
    }
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // It has gone before the next story needs the memory.
        let _ = self.shell.wait();
    }
}

fn start_once() -> Option<SeaweedFs> {
    let home = tempfile::Builder::new().prefix("etrplus-tests-seaweedfs-").tempdir().unwrap().keep();
    let identities = home.join("identities.json");
    let may = json!({"name": "tests", "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}], "actions": ["Admin"]});
    fs::write(&identities, json!({"identities": [may]}).to_string()).unwrap();
    let ports = free_ports();
    let shell = launch(&home, &identities, &ports);
    let server = SeaweedFs {
        s3: S3Config {
            bucket: BUCKET.into(),
            region: "us-east-1".into(),
            endpoint: Some(format!("http://127.0.0.1:{}", port(&ports, "s3.port"))),
            access_key_id: KEY_ID.into(),
            secret_access_key: SECRET.to_owned().into(),
        },
        catalog_uri: format!("http://127.0.0.1:{}", port(&ports, "s3.port.iceberg")),
        shell,
    };
    // It says so on the terminal that it takes its log for.
    let ready = || fs::read_to_string(home.join("log")).is_ok_and(|log| log.contains("ready to use"));
    for _ in 0..400 {
        if ready() {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    eprintln!("{}", fs::read_to_string(home.join("log")).unwrap_or_default());
    None
}

fn launch(home: &Path, identities: &Path, ports: &[(&'static str, u16)]) -> Child {
    let numbers: Vec<String> = ports.iter().map(|(_, port)| port.to_string()).collect();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", SCRIPT, "etrplus-tests"]).arg(home).arg(numbers.join(" "));
    shell.arg(weed()).arg("mini").arg(format!("-dir={}", home.display()));
    // On loopback alone, and it tells nobody that it runs.
    shell.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]);
    shell.args(["-webdav=false", "-admin.ui=false", "-s3.port.lance=0"]);
    shell.args(ports.iter().map(|(name, port)| format!("-{name}={port}")));
    shell.arg(format!("-s3.config={}", identities.display()));
    shell.args([format!("-bucket={BUCKET}"), format!("-tableBucket={TABLES}")]);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
}

fn weed() -> PathBuf {
    python::python().parent().unwrap().join("weed")
}

/// Free ports, one for each door of the server.
fn free_ports() -> Vec<(&'static str, u16)> {
    let doors = [
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port",
        "s3.port.grpc",
        "s3.port.iceberg",
        "admin.port",
        "admin.port.grpc",
    ];
    // All are held until the last is found, so that they differ.
    let held = doors.map(|name| (name, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()));
    held.iter().map(|(name, listener)| (*name, listener.local_addr().unwrap().port())).collect()
}

fn port(ports: &[(&'static str, u16)], name: &str) -> u16 {
    ports.iter().find(|(other, _)| *other == name).unwrap().1
}
