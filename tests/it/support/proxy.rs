//! A door between a server and what it depends on: open, shut, silent, or shut at the worst moment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// How the other side looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Open,
    /// Connections end at once, those that stand as well.
    Shut,
    /// Connections are taken and nothing is ever answered.
    Silent,
}

/// A cut at the COMMIT of a transaction whose statements carry a marker.
#[derive(Clone, Copy, Debug)]
pub struct CommitCut {
    /// Seen on the connection before, as the comment of a statement.
    pub marker: &'static str,
    /// Whether COMMIT still reaches the server; its answer never comes back.
    pub forward: bool,
    /// What the other side looks like from then on.
    pub then: Door,
}

enum Upstream {
    Tcp(String),
    Unix(PathBuf),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Upstream,
    door: watch::Sender<Door>,
    cut: Mutex<Option<CommitCut>>,
}

impl Proxy {
    /// Before a database; also says its address behind the door.
    pub async fn before_postgres(url: &str) -> (Proxy, String) {
        let options: PgConnectOptions = url.parse().unwrap();
        let upstream = match options.get_socket() {
            Some(directory) => Upstream::Unix(directory.join(format!(".s.PGSQL.{}", options.get_port()))),
            None => Upstream::Tcp(format!("{}:{}", options.get_host(), options.get_port())),
        };
        let proxy = Proxy::start(upstream).await;
        let scheme = url.find("://").unwrap() + 3;
        let (authority, rest) = url[scheme..].split_once('/').unwrap();
        let user = authority.split_once('@').map_or(String::new(), |(user, _)| format!("{user}@"));
        let address = format!("{}{user}{}/{rest}", &url[..scheme], proxy.address);
        (proxy, address)
    }

    /// Before an HTTP endpoint; also says its address behind the door.
    pub async fn before_http(endpoint: &str) -> (Proxy, String) {
        let proxy = Proxy::start(Upstream::Tcp(endpoint.strip_prefix("http://").unwrap().to_owned())).await;
        let address = format!("http://{}", proxy.address);
        (proxy, address)
    }

    async fn start(upstream: Upstream) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { upstream, door: watch::Sender::new(Door::Open), cut: Mutex::new(None) });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&accepting)));
            }
        });
        Proxy { address, shared }
    }

    pub fn turn(&self, door: Door) {
        self.shared.door.send_replace(door);
    }

    pub fn cut_at_commit(&self, cut: CommitCut) {
        *self.shared.cut.lock().unwrap() = Some(cut);
    }

    /// Whether the cut has happened.
    pub fn has_cut(&self) -> bool {
        self.shared.cut.lock().unwrap().is_none()
    }
}

impl Upstream {
    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Upstream::Tcp(address) => Box::new(TcpStream::connect(address).await?),
            Upstream::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

/// One connection, until either side or the door ends it.
async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let mut door = shared.door.subscribe();
    let carried = async {
        let server = shared.upstream.connect().await?;
        carry(client, server, &shared).await
    };
    let silent = {
        let mut door = shared.door.subscribe();
        async move {
            // Both are kept alive and nothing is carried; who waits, waits.
            let _ = door.wait_for(|door| *door == Door::Silent).await;
            let _ = door.wait_for(|door| *door != Door::Silent).await;
        }
    };
    tokio::select! {
        biased;
        _ = door.wait_for(|door| *door == Door::Shut) => {}
        () = silent => {}
        _ = carried => {}
    }
}

async fn carry(client: TcpStream, server: Box<dyn Stream>, shared: &Shared) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let mut door = shared.door.subscribe();
    let requests = async {
        let mut buffer = vec![0; 64 << 10];
        let mut marked = false;
        loop {
            let n = from_client.read(&mut buffer).await?;
            let _ = door.wait_for(|door| *door == Door::Open).await;
            let piece = &buffer[..n];
            if let Some(cut) = due(shared, piece, &mut marked) {
                if cut.forward {
                    to_server.write_all(piece).await?;
                    // Until the server has answered, which means until it has committed.
                    return Ok(Some(cut));
                }
                shared.door.send_replace(cut.then);
                return Ok(None);
            }
            if n == 0 {
                return Ok::<_, std::io::Error>(None);
            }
            to_server.write_all(piece).await?;
        }
    };
    let mut door_back = shared.door.subscribe();
    let (committed, has_committed) = watch::channel(false);
    let answers = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let n = from_server.read(&mut buffer).await?;
            let _ = door_back.wait_for(|door| *door == Door::Open).await;
            if n == 0 || *has_committed.borrow() {
                return Ok::<_, std::io::Error>(());
            }
            to_client.write_all(&buffer[..n]).await?;
        }
    };
    tokio::pin!(answers);
    let cut = tokio::select! {
        cut = requests => cut?,
        ended = &mut answers => return ended,
    };
    if let Some(cut) = cut {
        committed.send_replace(true);
        answers.await?;
        shared.door.send_replace(cut.then);
    }
    Ok(())
}

/// The armed cut, if this piece is the COMMIT that it waits for.
fn due(shared: &Shared, piece: &[u8], marked: &mut bool) -> Option<CommitCut> {
    let has = |words: &[u8]| piece.windows(words.len()).any(|window| window == words);
    let mut armed = shared.cut.lock().unwrap();
    let cut = (*armed)?;
    *marked |= has(cut.marker.as_bytes());
    if *marked && has(b"COMMIT\0") { armed.take() } else { None }
}
