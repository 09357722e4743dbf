//! What a service says first.

use super::super::fixture::Source;
use crate::pkt_line::{Packet, PacketSlice};
use crate::{Protocol, Service, advertise};

#[test]
fn the_advertisement_is_that_of_git() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let body = advertise(&snapshot, Service::UploadPack, Protocol::V0);
    let mut packets = PacketSlice::new(&body);
    assert_eq!(packets.next_packet().unwrap().unwrap().line().unwrap(), b"# service=git-upload-pack");
    assert_eq!(packets.next_packet().unwrap(), Some(Packet::Flush));
    let mut shown = String::new();
    while let Some(Packet::Data(line)) = packets.next_packet().unwrap() {
        let line = String::from_utf8(line.to_vec()).unwrap();
        let (line, capabilities) = line.split_once('\0').unwrap_or((&line, ""));
        if shown.is_empty() {
            assert!(
                capabilities.contains(" symref=HEAD:refs/heads/main ") && capabilities.contains("no-done")
            );
        }
        shown.push_str(line.trim_end());
        shown.push('\n');
    }
    let expected = source.git(&["ls-remote", "."]).replace('\t', " ");
    assert_eq!(shown.trim_end(), expected);
}

#[test]
fn an_empty_repository_advertises_its_capabilities() {
    let snapshot = Source::empty().snapshot();
    for (service, word) in [(Service::UploadPack, " filter"), (Service::ReceivePack, " no-thin")] {
        let body = advertise(&snapshot, service, Protocol::V1);
        let text = String::from_utf8(body.to_vec()).unwrap();
        let zero = format!("{} capabilities^{{}}\0", "0".repeat(40));
        assert!(text.contains(&zero) && text.contains(word) && text.contains("000eversion 1\n"), "{text}");
        assert!(!text.contains("symref="));
    }
    let body = advertise(&snapshot, Service::UploadPack, Protocol::V2);
    assert!(body.starts_with(b"000eversion 2\n") && body.ends_with(b"0000"));
}

#[test]
fn a_service_is_chosen_by_name_and_a_version_by_header() {
    assert_eq!(Service::from_name("git-receive-pack"), Some(Service::ReceivePack));
    assert_eq!(Service::from_name("git-upload-archive"), None);
    for (header, protocol) in [
        (None, Protocol::V0),
        (Some("version=1"), Protocol::V1),
        (Some("version=2:version=1"), Protocol::V2),
        (Some("hello=x:version=1:version=9"), Protocol::V1),
    ] {
        assert_eq!(Protocol::from_header(header), protocol, "{header:?}");
    }
}
