//! `produce`, `consume` and `vectors`: see README.md.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value as Json, json};

use inturn::consumer::{Options, consume};
use inturn::link::{BATCH, Keys, Link, Scripts, folder};
use inturn::producer::{self, Outcome, Producer};
use inturn::worker::{Failure, Message};
use inturn::{shards, vectors};

const USAGE: &str = "\
inturn produce --redis <url or socket> --prefix <P> --users <a,b,...> --count <per user> --name <label> [--shards <n>]
inturn consume --redis <url or socket> --prefix <P> --slots <n> --lease-ms <n> --name <label> [--fail-percent <p>] [--work-ms <n>] [--shards <n>]
inturn vectors --redis <url or socket> <directory>";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let outcome = Flags::parse(arguments).and_then(|flags| match command.as_str() {
        "produce" => produce(&flags),
        "consume" => run_consumer(&flags),
        "vectors" => run_vectors(&flags),
        _ => Err(USAGE.into()),
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// `--name value` pairs, and what stands alone.
struct Flags {
    named: HashMap<String, String>,
    alone: Option<String>,
}

impl Flags {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut flags = Self { named: HashMap::new(), alone: None };
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                Some(name) => {
                    let value = arguments.next().ok_or_else(|| format!("--{name}: a value is missing"))?;
                    flags.named.insert(name.to_owned(), value);
                }
                None => flags.alone = Some(argument),
            }
        }
        Ok(flags)
    }

    fn text(&self, name: &str) -> Result<&str> {
        Ok(self.named.get(name).ok_or_else(|| format!("--{name} is missing\n{USAGE}"))?)
    }

    fn number<T: FromStr<Err: Error + 'static>>(&self, name: &str, default: Option<T>) -> Result<T> {
        match (self.named.get(name), default) {
            (None, Some(default)) => Ok(default),
            _ => self.text(name)?.parse().map_err(|error| format!("--{name}: {error}").into()),
        }
    }
}

fn produce(flags: &Flags) -> Result<ExitCode> {
    let shards = flags.number("shards", Some(1))?;
    for (shard, keys) in open(flags, shards)?.into_iter().enumerate() {
        let of_shard = |user: &&str| shards::of_user(user.as_bytes(), shards) == shard as u64;
        produce_to(keys, &flags.text("users")?.split(',').filter(of_shard).collect::<Vec<_>>(), flags)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open(flags: &Flags, shards: u64) -> Result<Vec<Keys>> {
    Ok(shards::open(&mut Link::new(flags.text("redis")?)?, flags.text("prefix")?, shards)?)
}

fn produce_to(keys: Keys, users: &[&str], flags: &Flags) -> Result<()> {
    let name = flags.text("name")?;
    let scripts = Scripts::load(&folder())?;
    let mut producer = Producer::new(Link::new(flags.text("redis")?)?, keys, &scripts);
    // One message of every user, then the next of every user: in order for each, and a call holds many users.
    let sequence: Vec<(&str, u64)> =
        (0..flags.number("count", None)?).flat_map(|i| users.iter().map(move |&user| (user, i))).collect();
    for batch in sequence.chunks(BATCH) {
        let messages: Vec<_> = batch
            .iter()
            .map(|(user, i)| producer::Message {
                user: user.as_bytes().to_vec(),
                payload: json!({"by": name, "i": i}).to_string().into_bytes(),
            })
            .collect();
        for ((user, i), outcome) in batch.iter().zip(producer.enqueue(&messages)?) {
            let Outcome::Accepted(position) = outcome else {
                return Err(format!("{user}, message {i}: {outcome:?}").into());
            };
            println!("{}", json!({"event": "accepted", "user": user, "by": name, "i": i, "position": position}));
        }
    }
    Ok(())
}

fn run_consumer(flags: &Flags) -> Result<ExitCode> {
    let shards = open(flags, flags.number("shards", Some(1))?)?;
    thread::scope(|scope| {
        let consume = |keys| move || consume_from(keys, flags).map_err(|error| error.to_string());
        let running: Vec<_> = shards.into_iter().map(|keys| scope.spawn(consume(keys))).collect();
        running.into_iter().try_for_each(|one| one.join().expect("it does not panic"))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn consume_from(keys: Keys, flags: &Flags) -> Result<()> {
    let fail_percent = flags.number("fail-percent", Some(0.0))?;
    let work = Duration::from_millis(flags.number("work-ms", Some(1))?);
    let label = flags.text("name")?.to_owned();
    let told = label.clone();
    let options = Options {
        slots: flags.number("slots", None)?,
        lease: Duration::from_millis(flags.number("lease-ms", None)?),
        max_retries: 3,
        pace: |_| Duration::ZERO,
        settled: Box::new(move |message, outcome| tell("settled", &told, message, json!({"outcome": outcome}))),
    };
    let handler = move |message: &Message| {
        tell("start", &label, message, json!({}));
        thread::sleep(work);
        if !message.lease.is_held() {
            return Err(Failure::Retry("the lease ended".into())); // somebody else may handle it by now
        }
        tell("end", &label, message, json!({}));
        if message.attempts == 1 && percent() < fail_percent {
            return Err(Failure::Retry("told to fail".into()));
        }
        Ok(())
    };
    consume(flags.text("redis")?, keys, &Scripts::load(&folder())?, options, Arc::new(handler))
}

fn run_vectors(flags: &Flags) -> Result<ExitCode> {
    let folder = flags.alone.as_deref().ok_or(USAGE)?;
    let report = vectors::run(flags.text("redis")?, Path::new(folder))?;
    for failure in &report.failures {
        println!("{failure}");
    }
    println!("{} passed, {} failed", report.passed, report.failures.len());
    Ok(if report.failures.is_empty() && report.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line of JSON about a message. Its bytes are shown as text.
fn tell(event: &str, name: &str, message: &Message, more: Json) {
    let now = clock_gettime(ClockId::Monotonic); // the same clock in every process of this machine
    let mut line = json!({
        "event": event,
        "name": name,
        "user": String::from_utf8_lossy(&message.user),
        "fence": message.fence.to_string(),
        "attempts": message.attempts,
        "payload": String::from_utf8_lossy(&message.payload),
        "at_ns": now.tv_sec * 1_000_000_000 + now.tv_nsec,
    });
    if let (Json::Object(line), Json::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    println!("{line}");
}

/// Somewhere from 0 to 100, at random.
fn percent() -> f64 {
    getrandom::u32().map_or(0.0, |bits| f64::from(bits) / f64::from(u32::MAX) * 100.0)
}
