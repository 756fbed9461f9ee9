//! The threads around a consumer's loop: the handlers, and the wait for a wake-up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::link::{Keys, Link};

/// Shorter than the connection's own timeout: that one would take the silence for a lost connection.
const WAKE_WAIT_S: f64 = 1.0;

/// A message that this process holds.
pub struct Message {
    pub user: Vec<u8>,
    /// Grows with every claim: what a side effect compares to know that it is outdated.
    pub fence: u64,
    pub attempts: u32,
    pub payload: Vec<u8>,
    pub lease: Arc<Lease>,
}

/// Until when a message is surely ours, by our own monotonic clock. It ends also when Redis cannot be reached.
pub struct Lease(Mutex<Option<Instant>>);

impl Lease {
    pub fn new(ends: Instant) -> Self {
        Self(Mutex::new(Some(ends)))
    }

    /// False: the message may be somebody else's by now. A long handler asks before each of its side effects.
    pub fn is_held(&self) -> bool {
        self.0.lock().unwrap().is_some_and(|ends| Instant::now() < ends)
    }

    /// A lease that has ended is not taken up again: its handler may have given up.
    pub fn extend(&self, ends: Instant) {
        let mut current = self.0.lock().unwrap();
        *current = current.filter(|&current| Instant::now() < current).map(|_| ends);
    }

    pub fn lose(&self) {
        *self.0.lock().unwrap() = None;
    }
}

/// What a handler wants instead of an acknowledgement.
pub enum Failure {
    /// Try again, with back-off, until no attempts are left.
    Retry(String),
    /// Wait, and do not count the attempt.
    Later(Duration),
    /// To the dead letters at once.
    Reject(String),
}

pub type Handler = dyn Fn(&Message) -> Result<(), Failure> + Send + Sync;

pub enum Event {
    Handled(Message, Result<(), Failure>),
    /// BLPOP has ended, with a wake-up or without.
    Waited {
        woken: bool,
    },
    Stop,
}

/// Handles one message after the other, until the loop that hands them out has ended.
pub fn spawn_worker(inbox: Arc<Mutex<Receiver<Message>>>, events: Sender<Event>, handler: Arc<Handler>) {
    thread::spawn(move || {
        loop {
            let next = inbox.lock().unwrap().recv(); // a statement of its own: the lock ends with it
            let Ok(message) = next else { break };
            let result = catch_unwind(AssertUnwindSafe(|| handler(&message)))
                .unwrap_or_else(|_| Err(Failure::Retry("the handler panicked".into())));
            if events.send(Event::Handled(message, result)).is_err() {
                break;
            }
        }
    });
}

/// Waits for one wake-up each time that it is asked to.
pub fn spawn_waiter(mut link: Link, keys: &Keys, asked: Receiver<()>, events: Sender<Event>) {
    let wake = keys.fixed("wake");
    thread::spawn(move || {
        for () in asked {
            let popped = link.connection().and_then(|connection| {
                redis::cmd("BLPOP").arg(&wake).arg(WAKE_WAIT_S).query::<Option<(Vec<u8>, Vec<u8>)>>(connection)
            });
            if let Err(error) = &popped {
                eprintln!("waiting for a wake-up: {error}");
                link.disconnect();
                thread::sleep(Duration::from_secs_f64(WAKE_WAIT_S));
            }
            if events.send(Event::Waited { woken: matches!(popped, Ok(Some(_))) }).is_err() {
                break;
            }
        }
    });
}
