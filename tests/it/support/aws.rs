//! S3 and Glue of AWS on loopback, as moto plays them; ends with the story or with this process.

use std::io::{BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use etrplus::config::S3Config;

use super::python;

const BUCKET: &str = "etrplus-tests";

/// A running server.
pub struct Aws {
    /// Its S3.
    pub s3: S3Config,
    /// Where Glue answers.
    pub glue: String,
    server: Child,
    says: BufReader<ChildStdout>,
}

impl Aws {
    pub async fn start() -> Aws {
        tokio::task::spawn_blocking(start).await.unwrap()
    }

    /// Somebody else is quicker at the next swap of a table's pointer.
    pub fn let_somebody_be_quicker(&mut self) {
        self.say("conflict");
    }

    /// The next swap is done and never answered.
    pub fn lose_an_answer(&mut self) {
        self.say("lose");
    }

    /// The objects below a prefix, each with the KMS key that it was encrypted by.
    pub async fn encryption_below(&self, prefix: &str) -> Vec<(String, Option<String>)> {
        let credentials = Credentials::new(&self.s3.access_key_id, "any", None, None, "tests");
        let config = aws_sdk_s3::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.s3.region.clone()))
            .credentials_provider(credentials)
            .endpoint_url(&self.glue)
            .force_path_style(true)
            .build();
        let client = aws_sdk_s3::Client::from_conf(config);
        let listed = client.list_objects_v2().bucket(BUCKET).prefix(prefix).send().await.unwrap();
        let mut objects = Vec::new();
        for key in listed.contents().iter().filter_map(|object| object.key()) {
            let head = client.head_object().bucket(BUCKET).key(key).send().await.unwrap();
            objects.push((key.to_owned(), head.ssekms_key_id().map(str::to_owned)));
        }
        objects
    }

    /// How many swaps were refused so far, because they named an old version.
    pub fn refused_swaps(&mut self) -> u32 {
        self.say("nothing")
    }

    fn say(&mut self, word: &str) -> u32 {
        writeln!(self.server.stdin.as_mut().unwrap(), "{word}").unwrap();
        line(&mut self.says).parse().unwrap()
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

fn start() -> Aws {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/aws.py");
    let mut server = Command::new(python::python())
        .arg(script)
        .arg(BUCKET)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut says = BufReader::new(server.stdout.take().unwrap());
    let endpoint = line(&mut says);
    assert!(endpoint.starts_with("http://127.0.0.1:"), "moto does not start");
    let s3 = S3Config {
        bucket: BUCKET.into(),
        region: "us-east-1".into(),
        endpoint: Some(endpoint.clone()),
        access_key_id: "tests".into(),
        secret_access_key: "a-secret-of-the-tests".to_owned().into(),
    };
    Aws { s3, glue: endpoint, server, says }
}

fn line(says: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    says.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
