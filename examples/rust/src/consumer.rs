//! The loop of a consumer: settle, claim, hand out, renew, wait. It alone calls the scripts.

use std::collections::HashMap;
use std::error::Error;
use std::iter::once;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{cmp, mem, thread};

use redis::{FromRedisValue, ScriptInvocation, Value, from_redis_value};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use crate::link::{BATCH, Keys, Link, Scripts, random_id};
use crate::settlement::{self, Settlement};
use crate::worker::{Event, Handler, Lease, Message, spawn_waiter, spawn_worker};

/// How long anything can go unnoticed when a wake-up was lost.
const INTERVAL: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_secs(10);
/// Redis reads its clock in whole ms, rounded down.
const ROUNDING: Duration = Duration::from_millis(1);
/// Of payloads in one claim.
const MAX_BYTES: u64 = 1 << 20;
/// For a user whose former message is still being handled here, after its lease was lost.
const STILL_RUNNING_MS: u64 = 1_000;

pub type Settled = dyn Fn(&Message, &str);

pub struct Options {
    pub slots: usize,
    pub lease: Duration,
    pub max_retries: u32,
    /// How long a person would have typed this payload; zero: it is not paced.
    pub pace: fn(&[u8]) -> Duration,
    /// Told what became of a message: `acked`, `retried`, `dead`, `released` or `lost`.
    pub settled: Box<Settled>,
}

pub struct Consumer<'a> {
    link: Link,
    keys: Keys,
    scripts: &'a Scripts,
    options: Options,
    owner: String,
    /// The highest fence that was received: it tells Redis which replies were.
    after: u64,
    /// By user, since one message of a user is handled at a time.
    running: HashMap<Vec<u8>, (u64, Arc<Lease>)>,
    settling: Vec<(Message, Settlement)>,
    hand_out: Sender<Message>,
    /// When to claim again, and when to renew.
    due: Instant,
    renewal: Instant,
    /// A BLPOP is under way; one has taken a wake-up.
    waiting: bool,
    woken: bool,
    /// When a stop that was asked for must have ended.
    stop: Option<Instant>,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Consumes until SIGTERM, and then ends in good order.
pub fn consume(address: &str, keys: Keys, scripts: &Scripts, options: Options, handler: Arc<Handler>) -> Result<()> {
    let (events, inbox) = mpsc::channel();
    let (hand_out, messages) = mpsc::channel();
    let (ask, asked) = mpsc::channel();
    let messages = Arc::new(Mutex::new(messages));
    for _ in 0..options.slots {
        spawn_worker(Arc::clone(&messages), events.clone(), Arc::clone(&handler));
    }
    spawn_waiter(Link::new(address)?, &keys, asked, events.clone());
    let mut signals = Signals::new([SIGTERM])?;
    thread::spawn(move || signals.forever().try_for_each(|_| events.send(Event::Stop)));
    let (link, due) = (Link::new(address)?, Instant::now());
    let consumer = Consumer {
        renewal: due + options.lease / 3,
        link,
        keys,
        scripts,
        options,
        owner: random_id() + &random_id(), // 64 characters: see the guide
        after: 0,
        running: HashMap::new(),
        settling: Vec::new(),
        hand_out,
        due,
        waiting: false,
        woken: false,
        stop: None,
    };
    consumer.run(&inbox, &ask)
}

impl<'a> Consumer<'a> {
    fn run(mut self, inbox: &Receiver<Event>, ask: &Sender<()>) -> Result<()> {
        while !self.has_ended() {
            self.settle()?; // before the claim: what it frees, the claim may give
            let due = self.free() > 0 && Instant::now() >= self.due;
            if self.stop.is_none() && (self.woken || due) {
                self.claim(self.free())?; // without a free slot it passes the wake-up on
                self.settle()?;
            }
            if Instant::now() >= self.renewal {
                self.renew()?;
            }
            if self.stop.is_none() && self.free() > 0 && !self.waiting {
                ask.send(())?;
                self.waiting = true;
            }
            let first = inbox.recv_timeout(self.next().saturating_duration_since(Instant::now())).ok();
            first.into_iter().chain(inbox.try_iter()).for_each(|event| self.on(event));
        }
        self.settle()?;
        // What still runs is left to its lease: to release it would let somebody else begin beside it.
        self.claim(0) // passes a wake-up on that was taken meanwhile
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Handled(message, result) => {
                self.running.remove(&message.user);
                let settlement = Settlement::of(result, message.attempts, self.options.max_retries);
                self.settling.push((message, settlement));
                self.due = Instant::now(); // the user's next message becomes due, and no wake-up says so
            }
            Event::Waited { woken } => {
                self.waiting = false;
                self.woken |= woken;
            }
            Event::Stop => {
                self.stop = Some(Instant::now() + GRACE);
                self.link.until = self.stop;
            }
        }
    }

    fn free(&self) -> usize {
        self.options.slots - self.running.len()
    }

    /// When there is something to do, if no event comes before.
    fn next(&self) -> Instant {
        match self.stop {
            Some(end) => cmp::min(end, self.renewal),
            None if self.free() > 0 => cmp::min(self.due, self.renewal),
            None => self.renewal,
        }
    }

    fn has_ended(&self) -> bool {
        let idle = self.running.is_empty() && !self.waiting;
        self.stop.is_some_and(|end| idle || Instant::now() >= end)
    }

    /// Fills the free slots.
    fn claim(&mut self, free: usize) -> Result<()> {
        let owner_key = format!("owner:{}", self.owner);
        let mut call =
            self.call("claim", &["active", "claims", "fence", "paused", "wake", &owner_key, "rate", "scheduled"]);
        call.key(self.keys.root("queue")).key(self.keys.root("scheduled"));
        call.arg(&self.owner).arg(self.after).arg(cmp::min(free, BATCH)).arg(self.lease_ms()).arg(MAX_BYTES);
        let answer = self.link.call::<Vec<Value>>(&call)?;
        let mut reply = answer.value.into_iter();
        let (wait_ms, more): (i64, i64) = (read(reply.next())?, read(reply.next())?);
        for entry in reply {
            let (user, fence, attempts, since_ms, payload) = from_redis_value(entry)?;
            self.after = cmp::max(self.after, fence);
            let lease = Arc::new(Lease::new(self.lease_end(answer.sent)));
            self.begin(Message { user, fence, attempts, payload, lease }, since_ms);
        }
        let pause = u64::try_from(wait_ms).ok().filter(|&ms| ms > 0).map_or(INTERVAL, Duration::from_millis);
        self.due = Instant::now() + if more == 1 { Duration::ZERO } else { cmp::min(pause, INTERVAL) };
        self.woken = false;
        Ok(())
    }

    /// Hands a message to a worker, which is free, or settles it at once.
    fn begin(&mut self, message: Message, since_ms: i64) {
        let pace_ms = (self.options.pace)(&message.payload).as_millis() as u64;
        let since = u64::try_from(since_ms).ok().filter(|_| message.attempts == 1);
        if self.running.contains_key(&message.user) {
            self.settling.push((message, Settlement::Release { delay_ms: STILL_RUNNING_MS, paced: false }));
        } else if message.attempts > cmp::max(self.options.max_retries + 1, 3) {
            self.settling.push((message, Settlement::reject("crashed".into())));
        } else if let Some(rest) = since.and_then(|since| pace_ms.checked_sub(since)).filter(|&rest| rest > 0) {
            self.settling.push((message, Settlement::Release { delay_ms: rest, paced: true }));
        } else {
            self.running.insert(message.user.clone(), (message.fence, Arc::clone(&message.lease)));
            self.hand_out.send(message).expect("the workers outlive the loop");
        }
    }

    /// Settles everything that is ready: one call a script.
    fn settle(&mut self) -> Result<()> {
        let settling = mem::take(&mut self.settling);
        for (script, keys) in settlement::SCRIPTS {
            let batch: Vec<_> = settling.iter().filter(|(_, settlement)| settlement.script() == script).collect();
            for chunk in batch.chunks(BATCH) {
                let mut call = self.call(script, keys);
                call.arg(&self.owner);
                for (message, settlement) in chunk {
                    settlement.add_to(&mut call, &self.keys, message);
                }
                let replies = self.link.call::<Vec<i64>>(&call)?.value;
                for ((message, settlement), reply) in chunk.iter().zip(replies) {
                    (self.options.settled)(message, settlement.outcome(reply, message.lease.is_held()));
                }
            }
        }
        Ok(())
    }

    fn renew(&mut self) -> Result<()> {
        let running: Vec<_> = self
            .running
            .iter()
            .filter(|(_, (_, lease))| lease.is_held())
            .map(|(user, (fence, lease))| (user, fence, lease))
            .collect();
        for chunk in running.chunks(BATCH) {
            let mut call = self.call("renew", &["active", "claims"]);
            call.arg(&self.owner).arg(self.lease_ms());
            for (user, fence, _) in chunk {
                call.arg(user).arg(fence);
            }
            let answer = self.link.call::<Vec<i64>>(&call)?;
            for ((_, _, lease), renewed) in chunk.iter().zip(answer.value) {
                if renewed == 1 { lease.extend(self.lease_end(answer.sent)) } else { lease.lose() }
            }
        }
        self.renewal = Instant::now() + self.options.lease / 3;
        Ok(())
    }

    /// What is common to the scripts of a consumer.
    fn call(&self, script: &str, keys: &[&str]) -> ScriptInvocation<'a> {
        let mut call = self.scripts.call(script);
        for name in once(&"protocol").chain(keys) {
            call.key(self.keys.fixed(name));
        }
        call.arg(&self.keys.version);
        call
    }

    fn lease_ms(&self) -> u64 {
        self.options.lease.as_millis() as u64
    }

    /// A lease is counted from before its call was sent for the last time: that is the one which was answered.
    fn lease_end(&self, sent: Instant) -> Instant {
        sent + self.options.lease - ROUNDING
    }
}

fn read<T: FromRedisValue>(value: Option<Value>) -> Result<T> {
    Ok(from_redis_value(value.ok_or("claim: the reply is too short")?)?)
}
