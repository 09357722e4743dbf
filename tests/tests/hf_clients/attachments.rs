//! Files in comments.

use polder_tests::HubClient;

use crate::Place;

const ATTACHMENTS: &str = include_str!("attachments.py");

#[test]
fn upload_attachment_gives_an_address_that_everyone_reads_and_nothing_runs_at() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let (hub, dir) = (&place.hub, place.dir.path());
    hub.repo("acme/talk");
    let reading = hub.token("ada", "read");
    let url = client.script(hub, &place.ada, dir, ATTACHMENTS, &[&reading.secret]).ok();
    let path = format!("/{}", url.trim().strip_prefix(&hub.url("")).expect("of this hub"));

    // What `hf` puts into a comment is what it sent.
    let endpoint = hub.url("").trim_end_matches('/').to_owned();
    let args = ["discussions", "create", "acme/talk", "--title", "Odd", "--body", "See ![it](a.gif)"];
    let args = [&args[..], &["--attach", "a.gif", "--attach", "a.mp3"]].concat();
    client.hf(&endpoint, Some(&place.ada), dir, &args).ok();
    let told = hub.http().get("/api/models/acme/talk/discussions/2").send().expect(200).json();
    let text = told["events"][0]["data"]["latest"]["raw"].as_str().expect("a text");
    let address = format!("{endpoint}/uploads/");
    assert!(
        text.contains(&format!("See ![it]({address}")) && text.contains("<audio controls src="),
        "{text}"
    );

    // The quota of the account's namespace holds; what the operator blocks is gone from its address.
    hub.cli(&["quota", "set", "ada", "0"]).ok();
    std::fs::write(dir.join("more.gif"), b"GIF89a, one more").unwrap();
    let more = "import sys\nfrom huggingface_hub import HfApi\n\
        HfApi(endpoint=sys.argv[1], token=sys.argv[2]).upload_attachment('more.gif')";
    let told = client.script(hub, &place.ada, dir, more, &[]).fails();
    assert!(told.contains("507"), "{told}");
    let bytes = hub.http().get(&path).send().expect(200).body;
    let blocked = format!("sha256:{}", polder_tests::sha256_hex(&bytes));
    hub.cli(&["block", "add", &blocked, "--reason", "a claim"]).ok();
    hub.http().get(&path).send().expect(404);
    hub.cli(&["block", "remove", &blocked]).ok();
    hub.http().get(&path).send().expect(200);
    hub.fsck();
}
