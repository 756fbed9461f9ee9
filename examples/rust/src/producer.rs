//! Enqueues, in order and each message once, however often a call has to be sent.

use std::{error, fmt};

use crate::link::{BATCH, CallError, Keys, Link, Scripts, random_id};

/// How long Redis remembers this producer: longer than any call is repeated.
const TTL_MS: u64 = 3_600_000;
const MAX_LENGTH: u64 = 1_000_000;
/// How long an id of the caller's would be recognised. These messages have none.
const WINDOW_MS: u64 = 86_400_000;

pub struct Message {
    pub user: Vec<u8>,
    pub payload: Vec<u8>,
}

/// What became of a message.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Its position, 1 being the head.
    Accepted(u64),
    Duplicate,
    Full,
    /// A foreign type is under the queue's key.
    ForeignType,
}

#[derive(Debug)]
pub enum Error {
    /// The call was sent more than once, and Redis no longer knows whether it ran.
    UnknownOutcome,
    Call(CallError),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::UnknownOutcome => formatter.write_str("the messages may have been enqueued, or not"),
            Self::Call(error) => error.fmt(formatter),
        }
    }
}

impl error::Error for Error {}

pub struct Producer<'a> {
    link: Link,
    keys: Keys,
    scripts: &'a Scripts,
    id: String,
    /// The number of the last call. One is never used again for other content.
    n: u64,
}

impl<'a> Producer<'a> {
    pub fn new(link: Link, keys: Keys, scripts: &'a Scripts) -> Self {
        Self { link, keys, scripts, id: random_id(), n: 0 }
    }

    /// Enqueues up to `BATCH` messages in one call. The outcomes are in their order.
    pub fn enqueue(&mut self, messages: &[Message]) -> Result<Vec<Outcome>, Error> {
        assert!((1..=BATCH).contains(&messages.len()), "1 to {BATCH} messages a call");
        self.n += 1;
        match self.send(messages) {
            // Redis has forgotten this producer, and the call surely did nothing: it goes out under a new name.
            Err(CallError::Redis { error, sends: 1 }) if error.code() == Some("EXPIRED") => {
                self.id = random_id();
                self.n = 1;
                self.send(messages)
            }
            outcome => outcome,
        }
        .map(|reply| reply.split(' ').map(outcome).collect())
        .map_err(|failed| match &failed {
            CallError::Redis { error, sends: 2.. } if matches!(error.code(), Some("EXPIRED" | "STALE")) => {
                Error::UnknownOutcome
            }
            _ => Error::Call(failed),
        })
    }

    fn send(&mut self, messages: &[Message]) -> Result<String, CallError> {
        let producer = self.keys.fixed(&format!("producer:{}", self.id));
        let mut call = self.scripts.call("enqueue");
        for name in ["protocol", "active", "wake", "seen"] {
            call.key(self.keys.fixed(name));
        }
        call.key(producer).arg(&self.keys.version).arg(self.n).arg(TTL_MS).arg(MAX_LENGTH).arg(WINDOW_MS);
        for Message { user, payload } in messages {
            call.key(self.keys.list("queue", user)).arg(user).arg("").arg(payload);
        }
        self.link.call(&call).map(|answer| answer.value)
    }
}

fn outcome(reply: &str) -> Outcome {
    match reply.parse::<i64>() {
        Ok(position @ 1..) => Outcome::Accepted(position.unsigned_abs()),
        Ok(0) => Outcome::Duplicate,
        Ok(-1) => Outcome::Full,
        Ok(-2) => Outcome::ForeignType,
        _ => panic!("enqueue replied {reply}"),
    }
}
