//! `[proxy]`: whose word about a client's address counts.

use std::net::IpAddr;

use ipnet::IpNet;
use polder_http::TrustedProxies;

use super::ProxyLayer;
use crate::Error;

/// Checks `[proxy]`.
///
/// # Errors
/// When an entry is neither an address nor a network, or is the whole internet.
pub(super) fn trusted_proxies(layer: ProxyLayer) -> Result<TrustedProxies, Error> {
    let networks = layer.trusted.unwrap_or_default();
    let networks = networks.iter().map(|text| network(text.trim())).collect::<Result<_, _>>()?;
    Ok(TrustedProxies { networks, header: layer.header.unwrap_or_default() })
}

fn network(text: &str) -> Result<IpNet, Error> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| IpNet::from(ip.to_canonical())));
    match network {
        Ok(network) if network.prefix_len() == 0 => Err(Error::plain(format!(
            "proxy.trusted: `{text}` is everyone, so anyone could claim any address; name the proxies"
        ))),
        Ok(network) => Ok(network.trunc()),
        Err(_) => Err(Error::plain(format!(
            "proxy.trusted: `{text}` is no address or network such as 127.0.0.1 or 10.0.0.0/8"
        ))),
    }
}
