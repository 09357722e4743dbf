//! Which names are refused and which accepted.

use super::{AccountName, RepoName};

#[test]
fn hostile_names_are_refused() {
    for bad in [
        "",
        "/",
        "a",
        "a/",
        "/b",
        "a/b/c",
        "a//b",
        "a/..",
        "../b",
        "a/b.git",
        "a/b.lock",
        "a/.b",
        "a/b.",
        "a/nul",
        "a/con.txt",
        "a/COM1",
        "a/b--c",
        "a--b/c",
        "a.b/c",
        "a./c",
        "a..b.c/d",
        "a.b.c./d",
        "a.-b.c/d",
        "a.b.c_0/d",
        "a.b.c_08/d",
        "a.b_c.d/e",
        "api.hub.org/d",
        "a--b.hub.org/c",
        "api/b",
        "DATASETS/b",
        "a/b c",
        "a/b\0",
        "a/b\r\n",
        "a/ü",
        "a/b%2e",
        "-a/b",
        "a/-b",
        "datasets/a/b/c",
        "planets/a/b",
    ] {
        assert!(bad.parse::<RepoName>().is_err(), "{bad:?}");
    }
    assert!(format!("a/{}", "x".repeat(97)).parse::<RepoName>().is_err());
    assert!(format!("{}/b", "x".repeat(40)).parse::<RepoName>().is_err());
}

#[test]
fn names_that_hub_clients_make_are_accepted() {
    for good in ["acme/m", "a/b.c-d_e", "a/_x_", "0/1", "spaces/a/b", "kernels/A-1/b", "a/all-MiniLM-L6-v2"] {
        assert_eq!(good.parse::<RepoName>().expect(good).to_string(), good);
    }
}

#[test]
fn names_of_other_hubs_are_accepted() {
    for good in ["acme.hub.example.org/m", "datasets/a-b_c.127.0.0.1_8080/d", "a.localhost_8080/m"] {
        let name: RepoName = good.parse().expect(good);
        assert!(name.namespace().is_remote());
        assert_eq!(name.to_string(), good);
    }
    let acme: AccountName = "acme".parse().expect("valid");
    let there = acme.at("hub.example.org").expect("valid");
    assert_eq!((there.as_str(), acme.is_remote()), ("acme.hub.example.org", false));
    assert!(acme.at("hub").is_err());
    assert!("a.".parse::<AccountName>().is_err());
}

#[test]
fn fold_ignores_case_and_kind() {
    let a: RepoName = "Acme/M".parse().expect("valid");
    assert_eq!(a.fold(), "acme/m");
}
