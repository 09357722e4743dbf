//! Whose request it is when proxies may stand between: the one address for logs and limits.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::peer::Peer;

/// Most proxies that one request may have come through.
const HOPS_MAX: usize = 16;

/// The address a request comes from, in every request's extensions unless it came over a Unix socket.
///
/// For logs and limits only: an address proves nothing about who someone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    ip: IpAddr,
    is_direct: bool,
}

impl ClientAddress {
    /// The address that a request counts for; `None` where a proxy on this machine that is not trusted
    /// speaks for clients whom nobody knows: they must not share one limit.
    pub fn to_count_for(request: &Parts) -> Option<IpAddr> {
        let client: &Self = request.extensions.get()?;
        let is_unknown = client.is_direct && client.ip.is_loopback() && speaks_for_another(&request.headers);
        (!is_unknown).then_some(client.ip)
    }

    /// The address; never an IPv4 address in IPv6's clothes.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Whether the connection is the client's own, not that of a trusted proxy.
    pub fn is_direct(&self) -> bool {
        self.is_direct
    }
}

/// The header in which trusted proxies name the client.
///
/// Only one is believed: a proxy writes the one it knows and passes the other on as the client sent it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, as nginx, Caddy and most others write it.
    #[default]
    XForwardedFor,
    /// `Forwarded`, as RFC 7239 has it.
    Forwarded,
}

/// The proxies whose word about the client's address counts; by default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Where they are.
    pub networks: Vec<IpNet>,
    /// What they write.
    pub header: ForwardedHeader,
}

impl TrustedProxies {
    /// The client of a request that came from `peer`: the peer itself, unless it is one of the proxies;
    /// then the last address in their header that is none of theirs. What stands before that, the
    /// client may have made up.
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<ClientAddress> {
        let Peer::Tcp(peer) = peer else { return None };
        let mut ip = peer.ip().to_canonical();
        if !self.has(ip) {
            return Some(ClientAddress { ip, is_direct: true });
        }
        for hop in self.header.hops_from_last(headers).take(HOPS_MAX) {
            // A proxy that names nobody has at least its own address.
            let Some(named) = hop else { break };
            ip = named;
            if !self.has(ip) {
                break;
            }
        }
        Some(ClientAddress { ip, is_direct: false })
    }

    fn has(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
    }
}

impl ForwardedHeader {
    const fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// What each proxy wrote, the nearest first; `None` where that is no address.
    fn hops_from_last(self, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
        let lines = headers.get_all(self.name()).into_iter().rev();
        lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(move |hop| {
            let hop = str::from_utf8(hop).ok()?.trim();
            match self {
                Self::XForwardedFor => address(hop),
                Self::Forwarded => address(for_parameter(hop)?),
            }
        })
    }
}

/// The value of `for` in one element of a `Forwarded` header.
fn for_parameter(element: &str) -> Option<&str> {
    let (_, value) = element
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    Some(value.trim().trim_matches('"'))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    ip.ok().map(|ip: IpAddr| ip.to_canonical())
}

/// Whether a header says that the peer speaks for someone else, with or without leave.
pub(crate) fn speaks_for_another(headers: &HeaderMap) -> bool {
    const NAMES: [&str; 6] =
        ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];
    NAMES.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn clients_of_a_proxy_that_is_not_trusted_count_for_nobody() {
        let counted = |peer: &str, trusted: &str, forwarded: Option<&'static str>| {
            let (mut request, ()) = http::Request::new(()).into_parts();
            let networks = vec![trusted.parse().expect("network")];
            if let Some(value) = forwarded {
                request.headers.insert("x-forwarded-for", HeaderValue::from_static(value));
            }
            let peer = Peer::Tcp(peer.parse().expect("address"));
            let proxies = TrustedProxies { networks, ..Default::default() };
            if let Some(client) = proxies.client(peer, &request.headers) {
                request.extensions.insert(client);
            }
            ClientAddress::to_count_for(&request).map(|ip| ip.to_string())
        };
        let named = Some("203.0.113.9");
        assert_eq!(counted("127.0.0.1:5", "10.0.0.0/8", None).as_deref(), Some("127.0.0.1"));
        assert_eq!(counted("127.0.0.1:5", "10.0.0.0/8", named), None);
        assert_eq!(counted("127.0.0.1:5", "127.0.0.0/8", named).as_deref(), Some("203.0.113.9"));
        // Nobody may choose an address by writing a header.
        assert_eq!(counted("192.0.2.1:5", "10.0.0.0/8", named).as_deref(), Some("192.0.2.1"));
    }

    fn client(header: ForwardedHeader, peer: &str, sent: &[(&'static str, &'static str)]) -> (String, bool) {
        let networks = ["10.0.0.0/8", "2001:db8:1::/48"].map(|text| text.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let peer = Peer::Tcp(format!("{peer}:9").parse().unwrap());
        let client = TrustedProxies { networks, header }.client(peer, &headers).unwrap();
        (client.ip().to_string(), client.is_direct())
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxys() {
        for (peer, line, expected) in [
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("[::ffff:10.0.0.1]", "::ffff:203.0.113.9", "203.0.113.9"),
            ("[2001:db8:1::1]", "[2001:db8::5]:4711", "2001:db8::5"),
            ("10.0.0.1", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "127.0.0.1,203.0.113.9:80 , 10.9.9.9,2001:db8:1::2", "203.0.113.9"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.9, 10.0.0.2, <script>", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.9, x, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            let found = client(ForwardedHeader::XForwardedFor, peer, &[("x-forwarded-for", line)]);
            assert_eq!(found, (expected.to_owned(), false), "{peer} {line}");
        }
        let lines = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.9, 10.0.0.2")];
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &lines).0, "203.0.113.9");
    }

    #[test]
    fn the_standard_header_is_read_with_its_parameters_and_quotes() {
        for (line, expected) in [
            ("for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
            ("For=\"[2001:db8::5]:4711\"", "2001:db8::5"),
            ("for=127.0.0.1, proto=https; for=\"203.0.113.9\"", "203.0.113.9"),
            // A quote that the client opened cannot swallow what the proxy wrote.
            ("for=\"127.0.0.1, for=203.0.113.9", "203.0.113.9"),
            ("for=203.0.113.9, for=_hidden", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
        ] {
            let found = client(ForwardedHeader::Forwarded, "10.0.0.1", &[("forwarded", line)]);
            assert_eq!(found, (expected.to_owned(), false), "{line}");
        }
    }

    #[test]
    fn nobody_else_is_believed_and_no_other_header() {
        let all = [
            ("x-forwarded-for", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("x-client-ip", "127.0.0.1"),
        ];
        for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
            assert_eq!(client(header, "192.0.2.1", &all), ("192.0.2.1".to_owned(), true));
            assert_eq!(client(header, "10.0.0.1", &all[2..]), ("10.0.0.1".to_owned(), false));
        }
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &all[1..]).0, "10.0.0.1");
        assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &all[..1]).0, "10.0.0.1");
        assert_eq!(TrustedProxies::default().client(Peer::Unix, &HeaderMap::new()), None);
    }
}
