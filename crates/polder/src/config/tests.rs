use super::environment::{keys, variable};
use super::*;

const EXAMPLE: &str = include_str!("../../../../polder.example.toml");

fn load(pairs: &[(&str, &str)], flags: &Common, serve: &Serve) -> Result<Config, String> {
    Config::load(flags, serve, &Environment::from_pairs(pairs.iter().copied()))
        .map_err(|error| error.to_string())
}

/// The example with its commented-out keys brought in: `#key = value` has no space after `#`.
fn example_with_every_key() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_names_every_key_and_its_variable() {
    let layer = parse_file(&example_with_every_key()).unwrap();
    let value = serde_json::to_value(layer).unwrap();
    for (path, _) in keys() {
        let mut here = &value;
        for key in &path {
            here = &here[key];
        }
        assert!(!here.is_null(), "polder.example.toml lacks {}", path.join("."));
        assert!(EXAMPLE.contains(&variable(&path)), "polder.example.toml lacks {}", variable(&path));
    }
}

#[test]
fn the_example_as_it_stands_is_the_defaults() {
    let example = Config::resolve(parse_file(EXAMPLE).unwrap()).unwrap();
    let defaults = Config::resolve(Layer::default()).unwrap();
    let log = Log { level: Some("info".to_owned()), ..defaults.log.clone() };
    assert_eq!(example, Config { data_is_chosen: true, log, ..defaults });
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line() {
    for (text, line, words) in [
        ("listen = \"127.0.0.1:1\"\nlistn = 1\n", 2, "listn"),
        ("\n\n[log]\nlevle = \"info\"\n", 4, "levle"),
        ("[hook]\n", 1, "hook"),
        ("[log]\nformat = \"xml\"\n", 2, "xml"),
        ("data = 5\n", 1, "string"),
        ("\ndata = \"unfinished\n", 2, ""),
        ("[hooks]\nseconds-max = -1\n", 2, ""),
        ("data = \"a\"\ndata = \"b\"\n", 2, "duplicate"),
    ] {
        let problem = parse_file(text).unwrap_err();
        assert!(problem.starts_with(&format!("line {line}: ")), "{text:?}: {problem}");
        assert!(problem.contains(words), "{text:?}: {problem}");
    }
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("polder.toml");
    std::fs::write(&file, "data = \"from-file\"\nlisten = \"127.0.0.1:1\"\n[log]\nformat = \"json\"\n")
        .unwrap();
    let common = Common { config: Some(file.clone()), data: None };
    let none = Serve::default();

    let config = load(&[], &common, &none).unwrap();
    assert_eq!(config.data, dir.path().join("from-file"), "relative to the file, not to the caller");
    assert_eq!((config.listen.port(), config.log.format), (1, LogFormat::Json));

    let variables = [("POLDER_LISTEN", "127.0.0.1:2"), ("POLDER_LOG_FORMAT", "plain"), ("POLDER_DATA", "")];
    let config = load(&variables, &common, &none).unwrap();
    assert_eq!((config.listen.port(), config.log.format), (2, LogFormat::Plain));
    assert_eq!(config.data, dir.path().join("from-file"), "an empty variable says nothing");

    let flags = Serve { listen: Some("127.0.0.1:3".into()), public_url: None };
    let common = Common { data: Some("/from-flag".into()), ..common };
    let config = load(&variables, &common, &flags).unwrap();
    assert_eq!((config.listen.port(), config.data), (3, PathBuf::from("/from-flag")));

    let named = [("POLDER_CONFIG", file.to_str().unwrap())];
    assert_eq!(load(&named, &Common::default(), &none).unwrap().listen.port(), 1);
    assert_eq!(load(&[], &Common::default(), &none).unwrap().listen.to_string(), LISTEN_DEFAULT);
}

#[test]
fn variables_of_every_type_are_read() {
    let pairs = [
        ("POLDER_HOOKS_PRE_RECEIVE", "/bin/sh, /bin/cat"),
        ("POLDER_HOOKS_SECONDS_MAX", "7"),
        ("POLDER_LOG_LEVEL", "warn,polder_git=debug"),
        ("POLDER_FAILPOINT", "pack.renamed:2"),
        ("POLDER_PROXY_TRUSTED", "127.0.0.1, 10.1.2.3/8, ::1"),
        ("POLDER_PROXY_HEADER", "forwarded"),
    ];
    let config = load(&pairs, &Common::default(), &Serve::default()).unwrap();
    assert_eq!(config.hooks.pre_receive, [PathBuf::from("/bin/sh"), PathBuf::from("/bin/cat")]);
    assert_eq!(config.hooks.seconds_max, 7);
    assert_eq!(config.log.level.as_deref(), Some("warn,polder_git=debug"));
    assert_eq!(config.failpoint.as_deref(), Some("pack.renamed:2"));
    let networks: Vec<String> = config.proxies.networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]);
    assert_eq!(config.proxies.header, polder_http::ForwardedHeader::Forwarded);
    assert!(config.warnings.is_empty());

    let config = load(&[("POLDER_LISTN", "x")], &Common::default(), &Serve::default()).unwrap();
    assert!(config.warnings[0].contains("POLDER_LISTN"));
}

#[test]
fn values_without_sense_are_refused_with_their_key() {
    for (variable, value, words) in [
        ("POLDER_LISTEN", "8080", "8080"),
        ("POLDER_PUBLIC_URL", "hub.example.org", "public-url"),
        ("POLDER_HOOKS_SECONDS_MAX", "soon", "POLDER_HOOKS_SECONDS_MAX"),
        ("POLDER_HOOKS_SECONDS_MAX", "0", "hooks.seconds-max"),
        ("POLDER_LOG_FORMAT", "xml", "POLDER_LOG_FORMAT"),
        ("POLDER_LOG_LEVEL", "info,=,", "log.level"),
        ("POLDER_HOOKS_MEMORY_MIB_MAX", "1", "hooks.memory-mib-max"),
        ("POLDER_LIMITS_FETCHES_MAX", "0", "limits.fetches-max"),
        ("POLDER_LIMITS_QUEUE_SECONDS_MAX", "9999", "limits.queue-seconds-max"),
        ("POLDER_AUDIT_KEEP_DAYS", "0", "audit.keep-days"),
        ("POLDER_SCRUB_RATE", "fast", "scrub.rate"),
        ("POLDER_SCRUB_EVERY_DAYS", "0", "scrub.every-days"),
        ("POLDER_FEDERATION_KEEP_DAYS", "7", "federation.keep-days"),
        ("POLDER_AUDIT_ADDRESSES", "maybe", "POLDER_AUDIT_ADDRESSES"),
        ("POLDER_LIMITS_NAMESPACE_BYTES", "plenty", "limits.namespace-bytes"),
        ("POLDER_LIMITS_CONTRIBUTED_BYTES", "plenty", "limits.contributed-bytes"),
        ("POLDER_HOOKS_PRE_RECEIVE", "/nowhere/hook", "/nowhere/hook"),
        ("POLDER_HOOKS_POST_RECEIVE", "/etc", "hooks.post-receive"),
        ("POLDER_PROXY_TRUSTED", "10.0.0.0/8, proxy.example.org", "proxy.example.org"),
        ("POLDER_PROXY_TRUSTED", "0.0.0.0/0", "everyone"),
        ("POLDER_PROXY_TRUSTED", "*", "proxy.trusted"),
        ("POLDER_TLS_KEY", "/etc/hub.key", "set tls.certificate"),
        ("POLDER_TLS_CERTIFICATE", "/etc/hub.pem", "set tls.key"),
        ("POLDER_TLS_REDIRECT_LISTEN", "127.0.0.1:80", "set tls.certificate or tls.acme.domains"),
        ("POLDER_TLS_ACME_DOMAINS", "hub.example.org, *.example.org", "`*.example.org`"),
        ("POLDER_TLS_ACME_DOMAINS", "192.0.2.1", "no host name"),
        (
            "POLDER_TLS_ACME_DOMAINS",
            "hub.example.org",
            "letsencrypt.org/directory, then set tls.acme.accept-terms",
        ),
        ("POLDER_TLS_ACME_ACCEPT_TERMS", "yes", "true or false"),
        ("POLDER_PROXY_HEADER", "x-real-ip", "POLDER_PROXY_HEADER"),
        ("POLDER_CONFIG", "/nowhere/polder.toml", "/nowhere/polder.toml"),
    ] {
        let problem = load(&[(variable, value)], &Common::default(), &Serve::default()).unwrap_err();
        assert!(problem.contains(words), "{variable}={value}: {problem}");
    }
}

#[test]
fn a_hub_that_speaks_tls_is_reached_over_https() {
    let files = [("POLDER_TLS_CERTIFICATE", "/etc/hub.pem"), ("POLDER_TLS_KEY", "/etc/hub.key")];
    let acme = [
        ("POLDER_TLS_ACME_DOMAINS", "Hub.example.org,b.example.org"),
        ("POLDER_TLS_ACME_ACCEPT_TERMS", "true"),
    ];
    let url = |pairs: &[(&str, &str)], port: u16| {
        let config = load(pairs, &Common::default(), &Serve::default()).unwrap();
        config.url_at(([127, 0, 0, 1], port).into()).to_string()
    };
    assert_eq!(url(&[], 8080), "http://127.0.0.1:8080");
    assert_eq!(url(&files, 8080), "https://127.0.0.1:8080");
    assert_eq!(url(&acme, 443), "https://hub.example.org");
    assert_eq!(url(&acme, 8443), "https://hub.example.org:8443");
    let refused = |pairs: &[(&str, &str)]| load(pairs, &Common::default(), &Serve::default()).unwrap_err();
    assert!(refused(&[&files[..], &acme].concat()).contains("choose one"));
    let clear = [&acme[..], &[("POLDER_PUBLIC_URL", "http://hub.example.org")]].concat();
    assert!(refused(&clear).contains("write it with https://"));
}

#[test]
fn a_public_url_is_a_scheme_a_host_and_maybe_a_path() {
    for (text, tidy) in [
        ("https://hub.example.org", "https://hub.example.org"),
        ("https://hub.example.org/", "https://hub.example.org"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://example.org/hub/", "https://example.org/hub"),
    ] {
        assert_eq!(PublicUrl::parse(text).unwrap().as_str(), tidy);
    }
    for wrong in [
        "",
        "hub",
        "ftp://hub",
        "https://",
        "https://hub//path",
        "https://hub/?q",
        "https://a:b@hub",
        "//hub",
        "https://hub#x",
        "https://hub x",
    ] {
        assert!(PublicUrl::parse(wrong).is_err(), "{wrong}");
    }
    let url = PublicUrl::parse("https://hub:1").unwrap();
    assert_eq!(url.with_login("ada", "pld_x"), "https://ada:pld_x@hub:1");
}
