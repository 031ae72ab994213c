//! `etrplus healthcheck`: asks `/readyz` of the server in the same container. The image has no shell and no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(5);
/// More than a readiness answer has.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

#[derive(Debug, clap::Args)]
pub struct HealthcheckArgs {
    /// Address of the API.
    #[arg(long, env = "ETR_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// Fails, with the answer, unless the server is ready.
pub async fn run(args: HealthcheckArgs) -> Result<()> {
    let address = reachable(args.listen);
    let answer = timeout(LIMIT, ask(address)).await.context("the server does not answer in time")??;
    let status = answer.split(' ').nth(1).unwrap_or("no status");
    if status != "200" {
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        bail!("not ready ({status}): {body}");
    }
    Ok(())
}

/// A server that listens on every address is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr) -> Result<String> {
    let mut socket =
        TcpStream::connect(address).await.with_context(|| format!("nothing listens on {address}"))?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_means_loopback_to_the_one_who_asks() {
        let asked = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(asked("[::]:8080"), "[::1]:8080");
        assert_eq!(asked("10.1.2.3:80"), "10.1.2.3:80");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_not_ready() {
        let error = run(HealthcheckArgs { listen: "127.0.0.1:1".parse().unwrap() }).await.unwrap_err();
        assert!(error.to_string().contains("nothing listens"), "{error}");
    }
}
