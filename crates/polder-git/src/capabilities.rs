//! What the server says it can do, and the first answer of every conversation.
//!
//! Source: git `Documentation/gitprotocol-capabilities.adoc`, `gitprotocol-v2.adoc`,
//! `gitprotocol-http.adoc`; `http-backend.c` for the service line.

use std::fmt::Write;

use bytes::Bytes;
use polder_types::ObjectId;

use crate::pkt_line::{write_data, write_flush, write_line};
use crate::{Ref, Snapshot};

/// What the server calls itself.
pub(crate) const AGENT: &str = concat!("agent=polder/", env!("CARGO_PKG_VERSION"));

const UPLOAD_PACK: &str = "multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since \
    deepen-not deepen-relative no-progress include-tag multi_ack_detailed allow-tip-sha1-in-want \
    allow-reachable-sha1-in-want no-done filter";
const RECEIVE_PACK: &str =
    "report-status report-status-v2 delete-refs quiet atomic ofs-delta side-band-64k no-thin";

/// Length of `<40 digits> ` in front of a ref's name, in bytes.
const ID_COLUMN_BYTES: usize = 41;

/// The version of the git wire protocol that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The original one.
    V0,
    /// The original one behind a line `version 1`.
    V1,
    /// Commands.
    V2,
}

impl Protocol {
    /// Reads the header `Git-Protocol`: the highest version named that the server knows, else V0.
    ///
    /// ```
    /// use polder_git::Protocol;
    /// assert_eq!(Protocol::from_header(Some("version=2:x")), Protocol::V2);
    /// assert_eq!(Protocol::from_header(None), Protocol::V0);
    /// ```
    ///
    /// Source: git `protocol.c`, `determine_protocol_version_server`.
    pub fn from_header(header: Option<&str>) -> Self {
        let mut best = Self::V0;
        for item in header.unwrap_or_default().split(':') {
            best = match (item.strip_prefix("version="), best) {
                (Some("2"), _) => Self::V2,
                (Some("1"), Self::V0) => Self::V1,
                _ => best,
            };
        }
        best
    }
}

/// The two services of smart HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Clone and fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl Service {
    /// Git's name for it, as in `info/refs?service=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    /// The service of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }
}

/// The whole body of `GET info/refs` for a service.
///
/// Refs under `refs/polder/` are never in it. Pushing has no version 2: receive-pack then answers as
/// in version 0, which is what git does.
///
/// ```
/// use polder_git::{Protocol, Service, Snapshot, advertise};
/// let snapshot = Snapshot::new(1, "refs/heads/main".to_owned(), Vec::new(), Vec::new());
/// let body = advertise(&snapshot, Service::UploadPack, Protocol::V2);
/// assert!(body.starts_with(b"000eversion 2\n"));
/// ```
pub fn advertise(snapshot: &Snapshot, service: Service, protocol: Protocol) -> Bytes {
    if (service, protocol) == (Service::UploadPack, Protocol::V2) {
        return version_2();
    }
    write_refs(snapshot, service, protocol, capabilities(snapshot, service))
}

/// The body of `GET info/refs` for receive-pack that tells clients they may send push options.
///
/// ```
/// use polder_git::{Protocol, Snapshot, advertise_push_with_options};
/// let snapshot = Snapshot::new(1, "refs/heads/main".to_owned(), Vec::new(), Vec::new());
/// let body = advertise_push_with_options(&snapshot, Protocol::V0);
/// assert!(String::from_utf8_lossy(&body).contains("push-options "));
/// ```
pub fn advertise_push_with_options(snapshot: &Snapshot, protocol: Protocol) -> Bytes {
    let capabilities = format!("push-options {}", capabilities(snapshot, Service::ReceivePack));
    write_refs(snapshot, Service::ReceivePack, protocol, capabilities)
}

fn write_refs(snapshot: &Snapshot, service: Service, protocol: Protocol, capabilities: String) -> Bytes {
    let mut out = Vec::with_capacity(512 + snapshot.refs().len() * 96);
    write_line(&mut out, &format!("# service={}", service.name()));
    write_flush(&mut out);
    if protocol == Protocol::V1 {
        write_line(&mut out, "version 1");
    }
    let mut lines = RefLines { out: &mut out, capabilities, line: Vec::new() };
    if service == Service::UploadPack
        && let Some(head) = snapshot.head_ref()
    {
        lines.add("HEAD", &head.oid);
    }
    for shown in snapshot.visible_refs() {
        lines.add(&shown.name, &shown.oid);
        if let (Some(peeled), Service::UploadPack) = (shown.peeled, service) {
            lines.add_peeled(shown, &peeled);
        }
    }
    lines.finish();
    write_flush(&mut out);
    out.into()
}

fn capabilities(snapshot: &Snapshot, service: Service) -> String {
    let mut text = match service {
        Service::UploadPack => UPLOAD_PACK.to_owned(),
        Service::ReceivePack => RECEIVE_PACK.to_owned(),
    };
    if service == Service::UploadPack && snapshot.head_ref().is_some() {
        text.push_str(" symref=HEAD:");
        text.push_str(snapshot.head());
    }
    text.push_str(" object-format=sha1 ");
    text.push_str(AGENT);
    text
}

/// Appends an id in hexadecimal.
pub(crate) fn push_id(out: &mut Vec<u8>, id: &ObjectId) {
    let mut text = String::with_capacity(ID_COLUMN_BYTES);
    if write!(text, "{id}").is_ok() {
        out.extend_from_slice(text.as_bytes());
    }
}

struct RefLines<'a> {
    out: &'a mut Vec<u8>,
    /// Emptied when the first line took them.
    capabilities: String,
    line: Vec<u8>,
}

impl RefLines<'_> {
    fn add(&mut self, name: &str, id: &ObjectId) {
        self.line.clear();
        push_id(&mut self.line, id);
        self.line.push(b' ');
        self.line.extend_from_slice(name.as_bytes());
        if !self.capabilities.is_empty() {
            self.line.push(0);
            self.line.extend_from_slice(std::mem::take(&mut self.capabilities).as_bytes());
        }
        self.line.push(b'\n');
        write_data(self.out, &self.line);
    }

    fn add_peeled(&mut self, shown: &Ref, peeled: &ObjectId) {
        self.add(&format!("{}^{{}}", shown.name), peeled);
    }

    fn finish(&mut self) {
        if !self.capabilities.is_empty() {
            self.add("capabilities^{}", &ObjectId::ZERO);
        }
    }
}

fn version_2() -> Bytes {
    let mut out = Vec::with_capacity(160);
    let fetch = "fetch=shallow wait-for-done filter ref-in-want";
    for line in ["version 2", AGENT, "ls-refs=unborn", fetch, "object-format=sha1", "object-info"] {
        write_line(&mut out, line);
    }
    write_flush(&mut out);
    out.into()
}
