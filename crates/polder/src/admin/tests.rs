use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use polder_http::Stop;
use polder_hub::Hub;
use polder_types::Visibility;
use tempfile::TempDir;

use super::*;
use crate::config::{Config, Layer};
use crate::options::hub_options;

fn config(data: &Path) -> Config {
    Config::resolve(Layer { data: Some(data.to_owned()), ..Layer::default() }).unwrap()
}

fn silent(_line: &Line) {}

async fn ask(config: &Config, command: Command) -> Result<Answer, String> {
    Box::pin(run(config, command, silent)).await.map_err(|error| error.to_string())
}

fn user(name: &str) -> Command {
    Command::UserAdd { name: name.parse().unwrap(), admin: false }
}

fn repo(id: &str) -> Command {
    Command::RepoAdd { id: id.parse().unwrap(), visibility: Visibility::Private }
}

/// A server's half: a hub that answers on its socket until stopped.
struct Running {
    stop: Stop,
    task: tokio::task::JoinHandle<()>,
    hub: Hub,
}

impl Running {
    async fn start(config: &Config) -> Self {
        let hub = Box::pin(Hub::open(hub_options(config, None))).await.unwrap();
        let (server, stop) = (Server::bind(&config.data).unwrap(), Stop::default());
        let task = tokio::spawn(server.run(hub.clone(), stop.clone(), Duration::from_secs(20)));
        Self { stop, task, hub }
    }

    async fn end(self) {
        self.stop.press();
        self.task.await.unwrap();
        self.hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_does_the_same_in_a_server_and_in_its_own_process() {
    let dir = TempDir::new().unwrap();
    let alone = config(&dir.path().join("alone"));
    let beside = config(&dir.path().join("beside"));
    let server = Running::start(&beside).await;
    for command in [
        repo("ada/m"),
        user("ada"),
        user("ADA"),
        Command::OrgAdd { name: "acme".parse().unwrap(), owner: "bob".parse().unwrap() },
        repo("ada/m"),
        repo("ada/m"),
        Command::RepoList,
        Command::RepoRename { id: "ada/m".parse().unwrap(), new: "ada/n".parse().unwrap() },
        Command::RepoVisibility { id: "ada/m".parse().unwrap(), visibility: Visibility::Public },
        Command::RepoImport {
            from: ImportFrom::Directory { dir: "/nowhere/at-all".into() },
            id: Some("ada/i".parse().unwrap()),
            visibility: None,
        },
        Command::Fsck { deep: true },
    ] {
        let mut here = ask(&alone, command.clone()).await;
        let there = ask(&beside, command.clone()).await;
        if matches!(command, Command::RepoAdd { .. }) && !alone.data.exists() {
            // The one difference: without a server someone must make the directory first.
            assert!(here.unwrap_err().contains("no data directory"));
            here = Err("there is no account `ada`".to_owned());
        }
        assert_eq!(here, there, "{command:?}");
    }
    server.end().await;
    assert_eq!(ask(&alone, Command::RepoList).await, ask(&beside, Command::RepoList).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_private_and_gone_after_the_server() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir.path().join("data"));
    let server = Running::start(&config).await;
    let socket = config.data.join("polder.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    server.end().await;
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_a_killed_server_left_is_no_obstacle() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir.path().join("data"));
    ask(&config, user("ada")).await.unwrap();
    drop(std::os::unix::net::UnixListener::bind(config.data.join("polder.sock")).unwrap());
    assert_eq!(ask(&config, Command::RepoList).await, Ok(Answer::Repos(vec![])));
    let server = Running::start(&config).await;
    assert_eq!(ask(&config, Command::RepoList).await, Ok(Answer::Repos(vec![])));
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_with_a_long_path_has_a_socket_too() {
    let dir = TempDir::new().unwrap();
    let long: PathBuf = dir.path().join("a".repeat(120)).join("data");
    let config = config(&long);
    let server = Running::start(&config).await;
    assert!(ask(&config, user("ada")).await.is_ok());
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_without_a_server_take_turns() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir.path().join("data"));
    ask(&config, user("ada")).await.unwrap();
    let mut running = tokio::task::JoinSet::new();
    for number in 0..4 {
        let config = config.clone();
        running.spawn(async move { ask(&config, repo(&format!("ada/m{number}"))).await });
    }
    for outcome in running.join_all().await {
        outcome.unwrap();
    }
    let Ok(Answer::Repos(repos)) = ask(&config, Command::RepoList).await else { panic!("no list") };
    assert_eq!(repos.len(), 4);
}

/// Sends bytes to the socket and reads what comes back until its end.
fn talk(data: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(data.join("polder.sock")).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // The server closed without reading all of it; what it said came before that.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_command_gets_an_error_and_harms_nobody() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir.path().join("data"));
    let server = Running::start(&config).await;
    for (bytes, words) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "does not understand"),
        (b"{}\n".to_vec(), "does not understand"),
        (b"{\"version\":9,\"command\":{\"command\":\"repo-list\"}}\n".to_vec(), "version"),
        (b"{\"version\":2,\"command\":{\"command\":\"explode\"}}\n".to_vec(), "does not understand"),
        (b"{\"version\":2,".to_vec(), "cut off"),
        (vec![b' '; (1 << 20) + 1], "too long"),
        (Vec::new(), ""),
    ] {
        let data = config.data.clone();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let answer = tokio::task::block_in_place(|| talk(&data, &bytes));
        assert!(answer.contains(words), "{shown}: {answer}");
        assert_eq!(answer.is_empty(), bytes.is_empty(), "{shown}: {answer}");
    }
    assert!(ask(&config, user("ada")).await.is_ok());
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_source_leaves_no_repository_behind() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir.path().join("data"));
    ask(&config, user("ada")).await.unwrap();
    let source = dir.path().join("source");
    std::fs::create_dir(&source).unwrap();
    let import = Command::RepoImport {
        from: ImportFrom::Directory { dir: source.clone() },
        id: Some("ada/m".parse().unwrap()),
        visibility: None,
    };
    let told = ask(&config, import.clone()).await.unwrap_err();
    assert!(told.contains("is not a git repository"), "{told}");
    assert_eq!(ask(&config, Command::RepoList).await, Ok(Answer::Repos(vec![])));

    // The name is still free, and the next try makes the repository.
    for part in ["objects", "refs"] {
        std::fs::create_dir(source.join(part)).unwrap();
    }
    std::fs::write(source.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    std::fs::write(source.join("shallow"), format!("{}\n", "1".repeat(40))).unwrap();
    assert!(ask(&config, import.clone()).await.unwrap_err().contains("shallow"));
    assert_eq!(ask(&config, Command::RepoList).await, Ok(Answer::Repos(vec![])));
    std::fs::remove_file(source.join("shallow")).unwrap();
    ask(&config, import).await.unwrap();
    let Ok(Answer::Repos(repos)) = ask(&config, Command::RepoList).await else { panic!("no list") };
    assert_eq!(repos.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_listed_and_revoked_in_the_running_server() {
    use polder_hub::{Credentials, Kind, Secret};
    let dir = TempDir::new().unwrap();
    let config = config(&dir.path().join("data"));
    let server = Running::start(&config).await;
    ask(&config, user("ada")).await.unwrap();
    let add = Command::TokenAdd {
        user: "ada".parse().unwrap(),
        scope: polder_types::Role::Read,
        repos: vec![],
        expires_seconds: None,
    };
    let Ok(Answer::Token(secret)) = ask(&config, add).await else { panic!("no token") };
    let log_in = || server.hub.authenticate(Credentials::Token(Secret::new(&secret)), None);
    log_in().await.unwrap();
    let list = Command::TokenList { user: Some("ada".parse().unwrap()) };
    let Ok(Answer::Tokens(tokens)) = ask(&config, list.clone()).await else { panic!("no list") };
    assert_eq!((tokens.len(), tokens[0].user.as_str(), &tokens[0].expires), (1, "ada", &None));
    let revoke = Command::TokenRevoke { id: polder_types::TokenId(tokens[0].id.parse().unwrap()) };
    ask(&config, revoke).await.unwrap();
    assert_eq!(log_in().await.unwrap_err().kind(), Kind::Unauthenticated);
    assert_eq!(ask(&config, list).await, Ok(Answer::Tokens(vec![])));
    server.end().await;
}
