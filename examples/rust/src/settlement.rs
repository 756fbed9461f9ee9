//! How a message that was held is settled: which script, with which keys and arguments, and what its reply means.

use std::cmp;

use redis::ScriptInvocation;

use crate::link::Keys;
use crate::worker::{Failure, Message};

const BACK_OFF_MS: [u64; 2] = [50, 60_000];
const REASON_BYTES: usize = 500;

/// The scripts that settle, with the keys that all messages of a call share.
pub const SCRIPTS: [(&str, &[&str]); 3] = [
    ("ack", &["active", "claims"]),
    ("retry", &["active", "claims", "dead", "paused"]),
    ("release", &["active", "claims", "rate"]),
];

pub enum Settlement {
    Ack,
    /// Claims above `max` make it a dead letter; with 0 it is one at once.
    Retry {
        max: u32,
        delay_ms: u64,
        reason: String,
    },
    Release {
        delay_ms: u64,
        paced: bool,
    },
}

impl Settlement {
    /// What follows from a handler's result.
    pub fn of(result: Result<(), Failure>, attempts: u32, max_retries: u32) -> Self {
        match result {
            Ok(()) => Self::Ack,
            Err(Failure::Later(delay)) => Self::Release { delay_ms: delay.as_millis() as u64, paced: true },
            Err(Failure::Reject(reason)) => Self::reject(reason),
            Err(Failure::Retry(reason)) => {
                let [first, longest] = BACK_OFF_MS;
                let delay_ms = cmp::min(first << attempts.saturating_sub(1).min(16), longest);
                Self::Retry { max: max_retries + 1, delay_ms, reason }
            }
        }
    }

    pub fn reject(reason: String) -> Self {
        Self::Retry { max: 0, delay_ms: 0, reason }
    }

    pub fn script(&self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Retry { .. } => "retry",
            Self::Release { .. } => "release",
        }
    }

    /// Adds a message's own keys and arguments to the call.
    pub fn add_to(&self, call: &mut ScriptInvocation, keys: &Keys, message: &Message) {
        let Message { user, fence, .. } = message;
        call.arg(user).arg(fence);
        match self {
            Self::Ack => call.key(keys.list("queue", user)).arg(0),
            Self::Retry { max, delay_ms, reason } => {
                call.key(keys.list("queue", user)).key(keys.list("dlq", user));
                call.arg(max).arg(delay_ms).arg("continue").arg(start_of(reason))
            }
            Self::Release { delay_ms, paced } => call.arg(delay_ms).arg(paced),
        };
    }

    /// A 0 before the lease's end is no loss, but the answer to a repeat of the call that worked.
    pub fn outcome(&self, reply: i64, held: bool) -> &'static str {
        match self {
            _ if reply == 0 && !held => "lost",
            Self::Ack => "acked",
            Self::Retry { max, .. } if reply == 2 || reply == 0 && *max == 0 => "dead",
            Self::Retry { .. } => "retried",
            Self::Release { .. } => "released",
        }
    }
}

/// As much of a reason as a dead letter takes, in whole characters.
fn start_of(reason: &str) -> &str {
    let end = (0..=reason.len().min(REASON_BYTES)).rev().find(|&end| reason.is_char_boundary(end));
    &reason[..end.unwrap_or(0)]
}
