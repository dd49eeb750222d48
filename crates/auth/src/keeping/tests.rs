//! Where logins are kept: who waits for a store, and what a logout takes back.

use std::pin::pin;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Keeping, Look};
use crate::issuer::Issuer;
use crate::manager::{AuthManager, Rules, Scope};
use crate::store::{CredentialStore, Locked, Login, Memory, StoreError, Tokens};
use crate::token::AccessToken;

const LONG: Duration = Duration::from_secs(5);

fn save(store: &Memory, refresh: &str) {
    let token = |text: &str| AccessToken::new(text);
    let login = Login::Chatgpt(Tokens::issued(token("id"), token("at"), token(refresh), 1));
    store.lock(Duration::ZERO).unwrap().save(&login).unwrap();
}

#[tokio::test]
async fn a_logout_takes_back_what_was_kept_last() {
    let (tells, mut taken_back) = mpsc::unbounded_channel();
    let revoke = post(move |body: String| async move { tells.send(body).unwrap() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = Issuer::at(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(axum::serve(listener, Router::new().route("/oauth/revoke", revoke)).into_future());

    let store = Arc::new(Memory::default());
    save(&store, "rt-1");
    let manager = AuthManager::of(Keeping::new(store.clone(), issuer, Arc::default(), true), Rules::default());
    let refresh = store.lock(Duration::ZERO).unwrap();
    let mut logout = pin!(manager.log_out(Scope::default()));
    timeout(Duration::ZERO, &mut logout).await.unwrap_err();
    let Some(Login::Chatgpt(old)) = refresh.load().unwrap() else { panic!("there is a login") };
    refresh.save(&Login::Chatgpt(Tokens { refresh: AccessToken::new("rt-2"), ..old })).unwrap();
    drop(refresh);
    logout.await.unwrap();
    let body = timeout(LONG, taken_back.recv()).await.unwrap().unwrap();
    assert!(body.contains("\"rt-2\""), "{body}");
    assert_eq!(store.load().unwrap(), None);
}

/// A store that waits for a person each time it is read.
struct Slow {
    memory: Arc<Memory>,
    leave: Mutex<Receiver<()>>,
}

impl CredentialStore for Slow {
    fn is_quick(&self) -> bool {
        false
    }

    fn load(&self) -> Result<Option<Login>, StoreError> {
        let _ = self.leave.lock().unwrap().recv_timeout(LONG);
        self.memory.load()
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        self.memory.lock(patience)
    }
}

#[tokio::test]
async fn nobody_waits_for_a_store_that_waits_for_a_person_except_at_the_first_look() {
    let (person, leave) = channel();
    let memory = Arc::new(Memory::default());
    let store = Slow { memory: Arc::clone(&memory), leave: Mutex::new(leave) };
    let keeping = Keeping::new(Arc::new(store), Issuer::at("http://127.0.0.1:9"), Arc::default(), false);
    let manager = AuthManager::of(keeping.clone(), Rules::default());
    let current = || manager.current(Scope::default());
    person.send(()).unwrap();
    assert!(current().is_none());
    save(&memory, "rt-1");
    keeping.set_look(Look::after(None));
    assert!(current().is_none() && current().is_none(), "the person has not said anything");
    person.send(()).unwrap();
    let taken_up = async {
        while current().is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, taken_up).await.unwrap();
}
