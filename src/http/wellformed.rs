//! What HTTP itself asks of a request and hyper does not check: one Host, and over HTTP/2 a header list within
//! the limit that we tell.
//!
//! Checked on the wire, before any routing: two parties that read one request differently are how requests are
//! smuggled.

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Version, header};

use super::problem::{Problem, ProblemKind};
use super::server::MAX_HTTP2_HEADER_BYTES;

/// What each field counts beside its name and value (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Why the request may not go on, if so. Its connection ends with the answer over HTTP/1.
pub fn fault<B>(request: &Request<B>) -> Option<Problem> {
    if request.version() == Version::HTTP_2 {
        let size = header_list_size(request);
        return (size > MAX_HTTP2_HEADER_BYTES as usize).then(|| {
            let detail = format!("The header list may have at most {MAX_HTTP2_HEADER_BYTES} bytes.");
            Problem::new(ProblemKind::HeadersTooLarge).detail(detail)
        });
    }
    let needed = request.version() == Version::HTTP_11;
    (!has_usable_host(request.headers(), needed)).then(|| {
        Problem::new(ProblemKind::BadRequest)
            .detail("Send one Host header with the name of the server.")
            .header(header::CONNECTION, HeaderValue::from_static("close"))
    })
}

/// RFC 9112 section 3.2: none over HTTP/1.1, several, and one that is no host are each a 400.
fn has_usable_host(headers: &HeaderMap, needed: bool) -> bool {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) => !needed,
        (Some(host), None) => {
            // Empty is what a client sends whose target has no authority.
            let is_host = |text: &str| {
                text.parse::<Authority>().is_ok_and(|authority| !authority.as_str().contains('@'))
            };
            host.is_empty() || host.to_str().is_ok_and(is_host)
        }
        (Some(_), Some(_)) => false,
    }
}

fn header_list_size<B>(request: &Request<B>) -> usize {
    let fields =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD);
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let authority = request.uri().authority().map_or(0, |authority| authority.as_str().len());
    fields.sum::<usize>() + target + authority
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(version: Version, headers: &[(&str, &str)]) -> Option<ProblemKind> {
        let request = Request::builder().version(version).uri("/v1/limits");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        fault(&request.body(()).unwrap()).map(|problem| problem.kind())
    }

    #[test]
    fn one_host_is_needed_over_http11_and_none_may_be_doubtful() {
        for host in ["etr.example", "etr.example:8080", "127.0.0.1:8080", "[::1]:8080", ""] {
            assert_eq!(kind(Version::HTTP_11, &[("host", host)]), None, "{host}");
        }
        assert_eq!(kind(Version::HTTP_10, &[]), None);
        for doubtful in [
            &[][..],
            &[("host", "a"), ("host", "a")],
            &[("host", "a b")],
            &[("host", "a/b")],
            &[("host", "u@a")],
        ] {
            assert_eq!(kind(Version::HTTP_11, doubtful), Some(ProblemKind::BadRequest), "{doubtful:?}");
        }
        assert_eq!(kind(Version::HTTP_10, &[("host", "a"), ("host", "b")]), Some(ProblemKind::BadRequest));
    }

    #[test]
    fn the_header_list_of_http2_has_its_limit() {
        let room = MAX_HTTP2_HEADER_BYTES as usize - FIELD_OVERHEAD - "x".len() - "/v1/limits".len();
        assert_eq!(kind(Version::HTTP_2, &[("x", &"a".repeat(room))]), None);
        let refused = kind(Version::HTTP_2, &[("x", &"a".repeat(room + 1))]);
        assert_eq!(refused, Some(ProblemKind::HeadersTooLarge));
    }
}
