//! Which command lines there are, and what they ask for.

use clap::CommandFactory as _;
use polder_types::{Role, TokenId, Visibility};

use super::*;
use crate::admin::BranchCommand;

fn parse(words: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("polder").chain(words.split_whitespace()))
}

fn command(words: &str) -> (Command, bool) {
    match parse(words).unwrap_or_else(|error| panic!("{words}: {error}")).action.into() {
        Invocation::Admin { command, json } => (command, json),
        other => panic!("{words}: {other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_contract_parses_with_data_and_config_on_either_side() {
    for words in [
        "serve",
        "serve --listen 127.0.0.1:0 --public-url https://hub.example.org",
        "user add ada",
        "user add ada --admin",
        "user list --json",
        "org add acme --owner ada",
        "org list --json",
        "org member acme bob --role write",
        "token add --user ada",
        "token add --user ada --scope read --repo acme/m --repo datasets/acme/d --expires 90d",
        "token list",
        "token list --user ada --json",
        "token revoke 7",
        "repo add acme/m --private",
        "repo add kernels/acme/k",
        "repo delete spaces/acme/s",
        "repo rename acme/m acme/n",
        "repo visibility acme/m private",
        "repo gate acme/m manual",
        "repo gate acme/m off",
        "repo requests acme/m --status rejected --json",
        "repo requests acme/m --accept bob",
        "repo list --json",
        "repo default-branch acme/m dev",
        "repo protect acme/m main",
        "repo protect acme/m release/* --push admin --push ada --allow-force --allow-delete",
        "repo unprotect acme/m release/*",
        "repo protection acme/m --json",
        "repo trust acme/m --issuer https://issuer.example --subject repo:acme/ci:* --claim a=b --claim c=d=e --user ada",
        "repo trusted",
        "repo trusted acme/m --json",
        "repo untrust acme/m 7",
        "user trust ada --issuer https://issuer.example --subject repo:acme/ci:*",
        "user trusted ada --json",
        "user untrust ada 7",
        "repo import ./dir datasets/acme/d",
        "repo import hf:acme/m --public --every 1h",
        "repo export acme/m ./dir",
        "quota set acme 500GB",
        "quota set acme none",
        "quota show",
        "quota show acme --json",
        "key show --json",
        "key rotate",
        "key rotate --recovery ./kit",
        "namespace kit acme",
        "namespace move acme --from https://hub.example.org --kit ./kit --owner ada",
        "namespace kit acme --out ./new --replace ./old",
        "audit",
        "audit --since 7d --repo acme/m --user ada --limit 5 --json",
        "audit export --since 17",
        "audit verify",
        "audit verify audit.jsonl --json",
        "bundle export ./dir",
        "bundle export ./dir --origin https://hub.example.org --select acme/* --select datasets/acme/d --since cursor.json --file-size 1GB",
        "bundle import ./dir --key PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "backup ./dir",
        "restore ./dir",
        "fsck --accept-database",
        "fsck --deep --json",
        "verify ./dir --key PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW --proof ./proof --json",
        "demo",
        "demo --listen 127.0.0.1:0",
    ] {
        for line in [format!("--data d --config c {words}"), format!("{words} --data d --config c")] {
            let cli = parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(cli.common.data, Some(PathBuf::from("d")), "{line}");
            assert_eq!(cli.common.config, Some(PathBuf::from("c")), "{line}");
        }
    }
}

#[test]
fn what_is_not_in_the_contract_is_refused() {
    for words in [
        "",
        "user add",
        "user add api",
        "org add acme",
        "org member acme bob",
        "org member acme bob --role owner",
        "token add",
        "token add --user ada --expires 90",
        "token revoke",
        "token revoke pld_x",
        "token list ada",
        "repo add m",
        "repo add acme/../m",
        "repo visibility acme/m secret",
        "repo list --yaml",
        "quota set acme",
        "quota set acme much",
        "namespace kit",
        "namespace move acme --from hub.example.org --kit ./kit",
        "audit --since noon",
        "audit export file",
        "bundle",
        "bundle export",
        "bundle export ./dir --file-size much",
        "bundle import ./dir --key mine",
        "backup",
        "restore",
        "fsck --deep --accept-database",
        "repo protect acme/m",
        "repo protect acme/m main --push read",
        "repo protect acme/m main --push a/b",
        "fsck everything",
        "repo trust acme/m --issuer https://issuer.example --subject x",
        "repo trust acme/m --subject x --user ada",
        "repo trust acme/m --issuer https://issuer.example --subject x --user ada --claim environment",
        "user untrust ada pld_x",
        "verify ./dir",
        "verify ./dir --key PeterNeumann",
    ] {
        assert!(parse(words).is_err(), "{words}");
    }
}

#[test]
fn flags_reach_the_command() {
    let (token, json) = command("token add --user ada --repo acme/m --expires 2h");
    let expected = Command::TokenAdd {
        user: "ada".parse().unwrap(),
        scope: Role::Write,
        repos: vec!["acme/m".parse().unwrap()],
        expires_seconds: Some(7_200),
    };
    assert_eq!((token, json), (expected, false));
    assert_eq!(command("repo list --json"), (Command::RepoList, true));
    let of_ada = Command::TokenList { user: Some("ada".parse().unwrap()) };
    assert_eq!(command("token list --user ada --json"), (of_ada, true));
    assert_eq!(command("token revoke 7"), (Command::TokenRevoke { id: TokenId(7) }, false));
    let (protect, _) = command("repo protect acme/m main --push admin --push ada --push write");
    let rule = |push_role, names: &[&str]| BranchCommand::Protect {
        pattern: "main".to_owned(),
        push_role,
        push_accounts: names.iter().map(|name| name.parse().unwrap()).collect(),
        allow_force: false,
        allow_delete: false,
    };
    let on_m = |what| Command::RepoBranches { id: "acme/m".parse().unwrap(), what };
    assert_eq!(protect, on_m(rule(Some(Role::Write), &["ada"])));
    for (words, expected) in [("", rule(Some(Role::Write), &[])), (" --push ada", rule(None, &["ada"]))] {
        assert_eq!(command(&format!("repo protect acme/m main{words}")).0, on_m(expected));
    }
    let (add, _) = command("repo add acme/m --private");
    assert_eq!(add, Command::RepoAdd { id: "acme/m".parse().unwrap(), visibility: Visibility::Private });
}
