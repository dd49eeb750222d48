//! No token anywhere but where it belongs: every scenario with logs at trace level, then a search of all that
//! the process left behind, plain, in base64 and URL-encoded.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use valet_sim::{
    Decision, DevicePolicy, Endpoint, Fault, IssuerPolicy, Response, Script, Sim, TokenPolicy, TokenRequest,
};

use valet_tests::{lend, skip};

use crate::support::{home, valet};
use crate::tap::Tap;

const LIMIT: Duration = Duration::from_secs(20);
const KEY: &str = "sk-canary-0123456789abcdef";

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A connection that keeps all it hears.
struct Ear {
    socket: Socket,
    heard: String,
    next_id: i64,
}

impl Ear {
    async fn open(address: &str, name: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{address}")).await.unwrap();
        let mut ear = Self { socket, heard: String::new(), next_id: 0 };
        let params = json!({
            "clientInfo": { "name": name, "version": "1" },
            "capabilities": { "experimentalApi": true, "valet": { "parseErrors": true } },
        });
        ear.call("initialize", params).await;
        ear
    }

    async fn say(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        self.say(json!({ "id": id, "method": method, "params": params }).to_string()).await;
        self.until(|message| message["id"] == id && message.get("method").is_none()).await
    }

    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = tokio::time::timeout(LIMIT, self.socket.next()).await.expect("a message in time");
            let Message::Text(text) = frame.unwrap().unwrap() else { continue };
            self.heard.push_str(&text);
            let message: Value = serde_json::from_str(&text).unwrap();
            if wanted(&message) {
                return message;
            }
        }
    }
}

/// All that the files of a folder hold, but for the one that logins are kept in.
fn files_below(folder: &Path, all: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, all);
        } else if path.file_name() != Some("auth.json".as_ref()) {
            all.extend(std::fs::read(&path).unwrap());
        }
    }
}

/// The forms that a secret could hide in.
fn disguises(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), URL_SAFE_NO_PAD.encode(secret)];
    // A secret inside a longer text begins at any of three places in a group of base64.
    for shift in 0..3 {
        let padded = format!("{}{secret}", "x".repeat(shift));
        let encoded = STANDARD.encode(padded);
        forms.push(encoded[4..encoded.len() - 4].to_owned());
    }
    forms.push(secret.replace('.', "%2E").replace('-', "%2D"));
    // The part of a token that says who its holder is.
    forms.extend(secret.split('.').filter(|part| part.len() > 40).map(str::to_owned));
    forms
}

fn search(place: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        for form in disguises(secret) {
            assert!(!text.contains(&form), "{place} holds a secret as {}…", &form[..8.min(form.len())]);
        }
    }
}

/// A host that logs all that it can.
struct Talkative {
    child: Child,
    log: PathBuf,
}

impl Talkative {
    async fn start(home: &Path, name: &str, environment: &[(&str, &str)]) -> (Self, String) {
        let log = home.parent().unwrap().join(format!("valet-canary-{name}-{}.log", std::process::id()));
        let mut command = Command::from(valet(home, &["app-server", "--listen", "ws://127.0.0.1:0"]));
        let levels = "trace,hyper=trace,hyper_util=trace,reqwest=trace,tungstenite=trace,rustls=trace,axum=trace";
        command.env("VALET_LOG", levels).stderr(Stdio::from(std::fs::File::create(&log).unwrap())).kill_on_drop(true);
        let child = command.envs(environment.iter().copied()).spawn().unwrap();
        loop {
            let text = std::fs::read_to_string(&log).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("valet app-server listening on: ws://"));
            match line.filter(|_| text.ends_with('\n')) {
                Some(address) => break (Self { child, log }, address.to_owned()),
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Kills it, and searches what it leaves behind.
    async fn search(&mut self, home: &Path, secrets: &[String]) {
        let process = format!("/proc/{}", self.child.id().unwrap());
        for file in ["cmdline", "environ"] {
            // Other systems have no such files.
            let text = std::fs::read(format!("{process}/{file}")).unwrap_or_default();
            search(file, &String::from_utf8_lossy(&text), secrets);
        }
        self.child.kill().await.unwrap();
        let logged = std::fs::read_to_string(&self.log).unwrap();
        assert!(logged.contains("TRACE"), "the log is at trace level");
        search("the log", &logged, secrets);
        let mut files = Vec::new();
        files_below(home, &mut files);
        search("the home directory", &String::from_utf8_lossy(&files), secrets);
        std::fs::remove_file(&self.log).unwrap();
    }
}

#[tokio::test]
async fn x_22_no_token_is_found_in_logs_files_arguments_environment_or_other_connections() {
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let script = Script::text("Hello.").tokens(policy);
    let sim = Sim::start(script.clone()).await.unwrap();
    let home = home(&sim);
    let (mut host, address) = Talkative::start(home.path(), "lent", &[]).await;
    let mut parent = Ear::open(&address, "parent").await;
    let mut other = Ear::open(&address, "other").await;
    let mut secrets = Vec::new();
    let mut lend = |account: &str| {
        let token = sim.tokens().issue(TokenRequest::account(account));
        secrets.push(token.access_token.clone());
        json!({ "accessToken": token.access_token, "chatgptAccountId": token.account_id })
    };
    let mut login = lend("acct-1");
    login["type"] = json!("chatgptAuthTokens");
    parent.call("account/login/start", login.clone()).await;
    parent.until(|message| message["method"] == "account/updated").await;
    let thread = parent.call("thread/start", json!({})).await["result"]["thread"]["id"].clone();
    // A good answer, a token of somebody else, one that is none, and a good one again.
    let good = lend("acct-1");
    let none = json!({ "accessToken": "canary.canary", "chatgptAccountId": "acct-1" });
    for answer in [lend("acct-2"), none, good.clone()] {
        let turn = json!({ "threadId": thread, "input": [{ "type": "text", "text": "hi" }] });
        parent.call("turn/start", turn).await;
        let asked = parent.until(|message| message["method"] == "account/chatgptAuthTokens/refresh").await;
        parent.say(json!({ "id": asked["id"], "result": answer }).to_string()).await;
        parent.until(|message| message["method"] == "turn/completed").await;
    }
    // A backend that answers with what it was sent, before the stream, in it, and to a read of somebody else.
    let sent = format!("you sent Bearer {}", good["accessToken"].as_str().unwrap());
    let refusal = Response::status(403).body(json!({ "error": { "message": sent } }));
    let echoes = Script::responses([refusal, Response::new().failed("invalid_prompt", &sent)]);
    let usage = Endpoint::new(403, json!({ "detail": sent }));
    sim.replace_script(echoes.endpoint("GET /backend-api/wham/usage", usage));
    for _ in 0..2 {
        let turn = json!({ "threadId": thread, "input": [{ "type": "text", "text": "hi" }] });
        parent.call("turn/start", turn).await;
        let ended = parent.until(|message| message["method"] == "turn/completed").await;
        let message = ended["params"]["turn"]["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("you sent Bearer [redacted]"), "{ended}");
    }
    let read = other.call("account/rateLimits/read", Value::Null).await;
    let message = read["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("you sent Bearer [redacted]"), "{read}");
    sim.replace_script(script);
    // A token beside the login, a turn under it, and one of the wrong shape.
    parent.call("valet/account/lend", lend("acct-3")).await;
    other.call("valet/account/list", Value::Null).await;
    let set = json!({ "threadId": thread, "chatgptAccountId": "acct-3" });
    parent.call("valet/thread/account/set", set).await;
    let turn = json!({ "threadId": thread, "input": [{ "type": "text", "text": "hi" }] });
    parent.call("turn/start", turn).await;
    let asked = parent.until(|message| message["method"] == "account/chatgptAuthTokens/refresh").await;
    parent.say(json!({ "id": asked["id"], "result": lend("acct-3") }).to_string()).await;
    parent.until(|message| message["method"] == "turn/completed").await;
    parent.call("valet/account/lend", json!({ "accessToken": [lend("acct-3")["accessToken"]] })).await;
    parent.call("valet/account/forget", json!({ "chatgptAccountId": "acct-3" })).await;
    // Text that is no message, with a token in it; a login of the wrong shape; reads by others.
    let broken = login.to_string();
    parent
        .say(format!("{{\"id\":9,\"method\":\"account/login/start\",\"params\":{}", &broken[..broken.len() - 1]))
        .await;
    let mut misspelt = login.clone();
    misspelt["chatgptAccountId"] = json!([login["accessToken"]]);
    parent
        .call("account/login/start", json!({ "type": "chatgptAuthTokens", "accessToken": [login["accessToken"]] }))
        .await;
    parent.call("account/login/start", json!({ "type": login["accessToken"] })).await;
    other.call("getAuthStatus", json!({ "includeToken": true })).await;
    other.call("account/read", json!({})).await;
    parent.call("account/logout", Value::Null).await;
    parent.call("account/login/start", json!({ "type": "apiKey", "apiKey": KEY })).await;
    other.call("getAuthStatus", json!({ "includeToken": true })).await;
    other.call("config/read", json!({ "includeLayers": true })).await;

    secrets.push(KEY.to_owned());
    search("what another connection heard", &other.heard, &secrets);
    host.search(home.path(), &secrets).await;
    // The key has a place of its own, and no token is there.
    let kept = std::fs::read_to_string(home.path().join("auth.json")).unwrap();
    assert!(kept.contains(KEY));
    secrets.pop();
    search("auth.json", &kept, &secrets);
}

#[tokio::test]
async fn no_code_verifier_or_token_of_a_login_is_found_anywhere_but_in_its_file() {
    let _ports = valet_tests::login_ports();
    let approve = Decision::Approve("acct-1".to_owned());
    let device = DevicePolicy { interval: 1, approve: approve.clone(), ..DevicePolicy::default() };
    let refused = Fault::status("/oauth/token", 500).grant_type("refresh_token").times(1);
    let issuer = IssuerPolicy { approve, device, ..IssuerPolicy::default() }.fault(refused);
    let sim = Sim::start(Script::text("Hello.").issuer(issuer)).await.unwrap();
    let tap = Tap::before(sim.address()).await;
    let home = home(&sim);
    let environment = [("CODEX_APP_SERVER_LOGIN_ISSUER", tap.origin.as_str())];
    let (mut host, address) = Talkative::start(home.path(), "kept", &environment).await;
    let mut asker = Ear::open(&address, "asker").await;
    let mut other = Ear::open(&address, "other").await;

    let begun = asker.call("account/login/start", json!({ "type": "chatgpt" })).await;
    let opened = reqwest::get(begun["result"]["authUrl"].as_str().unwrap()).await.unwrap();
    assert!(opened.status().is_success());
    asker.until(|message| message["method"] == "account/updated").await;
    let thread = asker.call("thread/start", json!({})).await["result"]["thread"]["id"].clone();
    // The first refresh fails, the second does not.
    for _ in 0..2 {
        sim.tokens().expire_all();
        let turn = json!({ "threadId": thread, "input": [{ "type": "text", "text": "hi" }] });
        asker.call("turn/start", turn).await;
        asker.until(|message| message["method"] == "turn/completed").await;
    }
    asker.call("account/login/start", json!({ "type": "chatgptDeviceCode" })).await;
    asker.until(|message| message["method"] == "account/updated").await;
    for client in [&mut asker, &mut other] {
        client.call("getAuthStatus", json!({ "includeToken": true, "refreshToken": true })).await;
        client.call("account/read", json!({ "refreshToken": true })).await;
        client.call("config/read", json!({ "includeLayers": true })).await;
    }
    // A pasted address of the wrong state is refused, and not repeated.
    let begun = asker.call("account/login/start", json!({ "type": "chatgpt" })).await;
    let pasted = "http://127.0.0.1:1455/auth/callback?code=ac_canary_0123456789&state=wrong";
    let params = json!({ "loginId": begun["result"]["loginId"], "redirectUrl": pasted });
    assert!(asker.call("valet/login/redirect", params).await["error"].is_object());

    let members = ["code", "code_verifier", "access_token", "refresh_token", "id_token"];
    let mut secrets = vec!["ac_canary_0123456789".to_owned()];
    for member in members {
        let found = tap.values(member);
        assert!(found.len() >= 2, "{member} was not heard: {found:?}");
        secrets.extend(found);
    }
    secrets.retain(|secret| secret.len() > 16);
    search("what the asker heard", &asker.heard, &secrets);
    search("what another connection heard", &other.heard, &secrets);
    host.search(home.path(), &secrets).await;
    let kept = std::fs::read_to_string(home.path().join("auth.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert!(secrets.iter().any(|secret| kept["tokens"]["refresh_token"] == **secret));
}

/// The host as a user who is not root: the kernel gives the files of a process that cannot be dumped to root,
/// and that shows only where they belonged to somebody else before.
#[cfg(target_os = "linux")]
fn as_a_user(home: &Path) -> std::process::Command {
    use std::os::unix::fs::PermissionsExt;

    let plain = valet(home, &["app-server"]);
    if !rustix::process::geteuid().is_root() {
        return plain;
    }
    let binary = home.join("valet");
    std::fs::copy(crate::support::VALET, &binary).unwrap();
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(binary).arg("app-server");
    command.env("VALET_HOME", home);
    command
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_host_that_holds_a_token_cannot_be_dumped() {
    use std::os::unix::fs::MetadataExt;

    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    let server = match valet_client::AppServer::spawn(&mut as_a_user(home.path())) {
        Ok(server) => server,
        Err(error) => return skip(&format!("cannot start the host as another user: {error}")),
    };
    let pid = server.process.id().unwrap();
    let (client, mut told) = valet_client::Client::new(server.link, valet_client::Handlers::new());
    client.initialize("t", "1", true).await.unwrap();
    let owner = || std::fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
    assert_ne!(owner(), 0, "a debugger may attach as long as there is nothing to steal");
    lend(&client, &sim, TokenRequest::default()).await.unwrap();
    told.wait_for::<valet_protocol::methods::AccountUpdated>(|_| true).await.unwrap();
    assert_eq!(owner(), 0);
}
