//! A way to PostgreSQL that can be blocked, and that can lose an answer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Carries connections until the test ends.
pub struct Proxy {
    /// Where it listens: the database's URL by this way.
    pub url: String,
    valve: Arc<Valve>,
}

#[derive(Default)]
struct Valve {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    shut: bool,
    /// The next request that holds these bytes arrives, and its answer does not.
    lose: Option<&'static [u8]>,
}

impl Proxy {
    /// A way to a database of the test run's cluster.
    pub fn to(url: &str) -> Proxy {
        let (host, name) = url.strip_prefix("postgres://app@").unwrap().split_once('/').unwrap();
        let socket = format!("{}/.s.PGSQL.5432", host.replace("%2F", "/"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://app@{}/{name}", listener.local_addr().unwrap());
        let valve = Arc::new(Valve::default());
        let shared = valve.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                carry(client, UnixStream::connect(&socket).unwrap(), &shared);
            }
        });
        Proxy { url, valve }
    }

    /// Lets nothing through any more. Connections stay open: the other side seems to hang.
    pub fn block(&self) {
        self.valve.state.lock().unwrap().shut = true;
    }

    /// Lets everything through again, what waited first.
    pub fn unblock(&self) {
        self.valve.state.lock().unwrap().shut = false;
        self.valve.changed.notify_all();
    }

    /// Cuts the connection that next sends `request`, as soon as the server has answered it.
    pub fn lose_answer_to(&self, request: &'static str) {
        self.valve.state.lock().unwrap().lose = Some(request.as_bytes());
    }

    /// Whether the answer was lost that was to be.
    pub fn has_lost(&self) -> bool {
        self.valve.state.lock().unwrap().lose.is_none()
    }
}

impl Valve {
    fn pass(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |it| it.shut).unwrap());
    }

    fn loses(&self, sent: &[u8]) -> bool {
        let mut state = self.state.lock().unwrap();
        let wanted = state.lose.is_some_and(|it| sent.windows(it.len()).any(|part| part == it));
        if wanted {
            state.lose = None;
        }
        wanted
    }
}

fn carry(client: TcpStream, server: UnixStream, valve: &Arc<Valve>) {
    let deaf = Arc::new(AtomicBool::new(false));
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (there, shared) = (deaf.clone(), valve.clone());
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            shared.pass();
            if shared.loses(&bytes[..count]) {
                there.store(true, Ordering::SeqCst);
            }
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut from, mut to, shared) = (server, client, valve.clone());
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            shared.pass();
            if deaf.load(Ordering::SeqCst) || to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
