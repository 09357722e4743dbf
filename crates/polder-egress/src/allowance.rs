//! Which hosts an operator named.

use crate::url::{Host, Origin, Url};

/// The hosts that may be at private addresses, because the operator named them: exactly that host at exactly
/// that port.
///
/// What such a host says (a redirect, a link, an LFS `href`) is not the operator: it leads to public
/// addresses, or back to a host named here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowance(Vec<(Host, u16)>);

impl Allowance {
    /// Public addresses only.
    pub fn none() -> Self {
        Self::default()
    }

    /// Public addresses, and the host of `url`.
    pub fn naming(url: &Url) -> Self {
        Self::none().and(url)
    }

    /// Also the host of `url`.
    #[must_use]
    pub fn and(mut self, url: &Url) -> Self {
        self.0.push((url.origin().host().clone(), url.origin().port()));
        self
    }

    pub(crate) fn names(&self, origin: &Origin) -> bool {
        self.0.iter().any(|(host, port)| host == origin.host() && *port == origin.port())
    }
}
