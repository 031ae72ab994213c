//! An S3 in this process, on a loopback port, for trying out and for tests.
//!
//! Not for keeping data: it does not wait for the disk, it does not verify checksums of parts, and a key whose
//! base64 is over about 200 bytes is refused by the file system.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Error, Result};

/// The server has no region of its own and takes any; this is what clients sign for.
pub const REGION: &str = "us-east-1";
/// How long a stopping server lets transfers finish.
const DRAIN: Duration = Duration::from_secs(5);

/// Where objects are kept, and who may read them.
#[derive(Clone, Debug)]
pub struct Options {
    /// A directory of this server alone.
    pub root: PathBuf,
    pub bucket: String,
    /// 0 takes a free port.
    pub port: u16,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
}

/// A running server. Dropped without [`S3Server::stop`] it ends with its runtime.
pub struct S3Server {
    pub endpoint: String,
    pub region: &'static str,
    pub bucket: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl fmt::Debug for S3Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Server({}/{})", self.endpoint, self.bucket)
    }
}

impl S3Server {
    /// Opens the port, creates the bucket and serves until stopped.
    ///
    /// # Errors
    /// [`Error::PortInUse`] and [`Error::ObjectDirectory`].
    pub async fn start(options: Options) -> Result<S3Server> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let in_use = |cause| Error::PortInUse { port: options.port, cause };
        let listener = TcpListener::bind(address).await.map_err(in_use)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(in_use)?);
        let service = service(&options)?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, service, stopped));
        Ok(S3Server {
            endpoint,
            region: REGION,
            bucket: options.bucket,
            access_key_id: options.access_key_id,
            secret_access_key: options.secret_access_key,
            stop,
            task,
        })
    }

    /// Takes no more connections and lets running transfers finish.
    pub async fn stop(self) {
        // An error of either means that it has already ended.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

fn service(options: &Options) -> Result<S3Service> {
    let root: &Path = &options.root;
    let failed = |cause: String| Error::ObjectDirectory { path: root.to_path_buf(), cause };
    // A bucket is a directory of its name.
    std::fs::create_dir_all(root.join(&options.bucket)).map_err(|error| failed(error.to_string()))?;
    let files = FileSystem::new(root).map_err(|error| failed(format!("{error:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    let secret = options.secret_access_key.expose_secret();
    builder.set_auth(SimpleAuth::from_single(options.access_key_id.as_str(), secret));
    Ok(builder.build())
}

async fn serve(listener: TcpListener, service: S3Service, mut stopped: oneshot::Receiver<()>) {
    let http = auto::Builder::new(TokioExecutor::new());
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => break,
        };
        match accepted {
            Ok((socket, _)) => {
                // Answers are small and waited for.
                let _ = socket.set_nodelay(true);
                let connection = http.serve_connection(TokioIo::new(socket), service.clone());
                let connection = connections.watch(connection.into_owned());
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "embedded S3 connection ended");
                    }
                });
            }
            // Out of file descriptors, most likely: connections that end give some back.
            Err(error) => {
                tracing::warn!(%error, "embedded S3 cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, connections.shutdown()).await.is_err() {
        tracing::warn!("embedded S3 stopped with transfers under way");
    }
}
