//! What a person types or pastes, and what is piped in.

use std::io::{IsTerminal, Read};

use anyhow::{Context, bail, ensure};
use tokio::sync::mpsc;
use valet_protocol::Secret;

/// No key is longer.
const KEY_LIMIT: u64 = 16 << 10;

/// An API key. A terminal does not show it.
pub(super) fn api_key() -> anyhow::Result<Secret> {
    let stdin = std::io::stdin();
    let text = if stdin.is_terminal() {
        Secret::new(rpassword::prompt_password("API key: ").context("cannot read from the terminal")?)
    } else {
        let mut text = String::with_capacity(KEY_LIMIT as usize);
        stdin.lock().take(KEY_LIMIT).read_to_string(&mut text).context("cannot read the API key from stdin")?;
        Secret::new(text)
    };
    let key = text.expose().trim();
    ensure!(
        !key.is_empty(),
        "no API key came: pipe it into stdin, as in `printenv OPENAI_API_KEY | valet login --api-key`"
    );
    if key.contains(|c: char| c.is_whitespace() || c.is_control()) {
        bail!("what came on stdin is not an API key: it is more than one word");
    }
    Ok(Secret::new(key))
}

/// The lines of stdin that are not empty, as they come. The thread waits in a read, and ends with the process.
pub(super) fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        for line in lines.filter(|line| !line.trim().is_empty()) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
