//! `valet accounts usage`: how much of each subscription is used, once or for as long as somebody watches.

mod screen;
mod table;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde_json::{Value, json};
use valet_switch::meters::{Forecast, Meters, Standing, Window};
use valet_switch::wallet::Wallet;

use crate::ending::Signals;

use super::args::UsageArgs;
use super::{block_on, wallet};
use screen::Screen;

/// With `--watch`: how often an account is asked for, and how often times are told anew.
const ASK_AGAIN: Duration = Duration::from_secs(60);
const TELL_AGAIN: Duration = Duration::from_secs(2);

/// An account, and whether it is the one that is used.
struct Account {
    standing: Standing,
    current: bool,
}

pub(super) fn run(args: &UsageArgs) -> anyhow::Result<()> {
    let config = args.config.load_for_logins()?;
    let wallet = wallet(&config);
    let meters = Meters::new(wallet.clone(), config.chatgpt_base_url());
    block_on(async {
        if args.watch {
            return watch(&wallet, &meters, args.json).await;
        }
        let (accounts, now) = (accounts(&wallet, &meters).await?, meters.now());
        let text = if args.json {
            format!("{:#}\n", rows(&accounts, now))
        } else {
            plain(&table::lines(&accounts, now, std::io::stdout().is_terminal()))
        };
        // Nobody may be reading, and that is the reader's choice.
        let _ = write(&text);
        Ok(())
    })
}

/// Ends with a signal, or when nobody reads any more.
async fn watch(wallet: &Wallet, meters: &Meters, as_json: bool) -> anyhow::Result<()> {
    let mut signals = Signals::new();
    let screen = (!as_json).then(Screen::open).flatten();
    let mut told = None;
    loop {
        let accounts = tokio::select! {
            accounts = accounts(wallet, meters) => accounts?,
            _ = signals.next() => return Ok(()),
        };
        let written = match &screen {
            Some(screen) => screen.show(&table::lines(&accounts, meters.now(), true)),
            None => {
                // What is new, and not how long it is until then.
                let news: Vec<_> = accounts.iter().map(|account| news(&account.standing, account.current)).collect();
                if told.as_ref() == Some(&news) {
                    Ok(())
                } else {
                    told = Some(news);
                    let now = meters.now();
                    let text = if as_json {
                        format!("{}\n", rows(&accounts, now))
                    } else {
                        plain(&table::lines(&accounts, now, false))
                    };
                    write(&text)
                }
            }
        };
        if written.is_err() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(TELL_AGAIN) => {}
            _ = signals.next() => return Ok(()),
        }
    }
}

async fn accounts(wallet: &Wallet, meters: &Meters) -> anyhow::Result<Vec<Account>> {
    let (names, active) = (wallet.names()?, wallet.active().ok());
    let standings = meters.all_fresh(&names, ASK_AGAIN).await;
    let account = |standing: Standing| Account { current: active.as_ref() == Some(&standing.name), standing };
    Ok(standings.into_iter().map(account).collect())
}

/// What makes a table another one.
fn news(standing: &Standing, current: bool) -> (Standing, bool) {
    (Standing { learned_at: standing.learned_at.map(|_| 0), ..standing.clone() }, current)
}

fn plain(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

fn write(text: &str) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn rows(accounts: &[Account], now: i64) -> Value {
    accounts.iter().map(|account| row(account, now)).collect()
}

fn row(Account { standing, current }: &Account, now: i64) -> Value {
    let window = |window: &Window| {
        let forecast = window.forecast(standing.learned_at.unwrap_or(now));
        json!({
            "usedPercent": window.used_percent,
            "windowSeconds": window.length_s,
            "resetsAt": window.resets_at,
            "lasts": forecast.map(|forecast| forecast == Forecast::Lasts),
            "usedUpAt": forecast.and_then(|forecast| match forecast {
                Forecast::UsedUpAt(at) => Some(at),
                Forecast::Lasts => None,
            }),
        })
    };
    json!({
        "name": standing.name,
        "current": current,
        "plan": standing.plan,
        "windows": standing.windows.iter().map(window).collect::<Vec<_>>(),
        "headroomPercent": standing.headroom().map(|left| (left * 10.0).round() / 10.0),
        "limited": standing.is_limited(),
        "backAt": standing.back_at(),
        "learnedAt": standing.learned_at,
        "error": standing.failure.as_ref().map(|failure| &failure.message),
        "loginNeeded": standing.failure.as_ref().is_some_and(|failure| failure.is_final),
    })
}
