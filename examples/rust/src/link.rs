//! The scripts of `lua/` as they are, the keys' names, and a connection that repeats what was not answered.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{error, fmt, fs, io, thread};

use redis::{Client, Connection, FromRedisValue, RedisError, RedisResult, Script, ScriptInvocation};

const MAJOR: u32 = 1;
/// Messages in one call, at most.
pub const BATCH: usize = 250;

/// Errors that a script answers with. Any other (LOADING, READONLY, BUSY, OOM and so on) ends by itself.
const REFUSALS: [&str; 3] = ["ARGUMENT", "STALE", "EXPIRED"];
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const BACK_OFF: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// Every script of a folder, by its name.
pub struct Scripts(HashMap<String, Script>);

impl Scripts {
    pub fn load(folder: &Path) -> io::Result<Self> {
        let mut scripts = HashMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if let (Some(name), Some("lua")) = (path.file_stem(), path.extension().and_then(|it| it.to_str())) {
                scripts.insert(name.to_string_lossy().into_owned(), Script::new(&fs::read_to_string(&path)?));
            }
        }
        Ok(Self(scripts))
    }

    pub fn get(&self, name: &str) -> Option<&Script> {
        self.0.get(name)
    }

    /// A call of one of the scripts that this client is written for.
    pub fn call(&self, name: &str) -> ScriptInvocation<'_> {
        let script = self.0.get(name).unwrap_or_else(|| panic!("{}: no {name}.lua", folder().display()));
        script.prepare_invoke()
    }
}

/// Where the scripts are: `INTURN_LUA`, or beside these examples.
pub fn folder() -> PathBuf {
    std::env::var_os("INTURN_LUA")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../lua").into(), PathBuf::from)
}

/// The names of the keys under one prefix.
#[derive(Clone)]
pub struct Keys {
    prefix: String,
    /// `"<major> <shards>"`: ARGV[1] of every script.
    pub version: String,
}

impl Keys {
    pub fn new(prefix: &str, shards: u64) -> Self {
        Self { prefix: prefix.to_owned(), version: format!("{MAJOR} {shards}") }
    }

    /// A key of the bookkeeping: `active`, `claims` and so on.
    pub fn fixed(&self, name: &str) -> String {
        format!("{}dispatcher:{name}", self.prefix)
    }

    /// What precedes a user in the name of its list, for `root` and `schedules`.
    pub fn root(&self, kind: &str) -> String {
        format!("{}{kind}:", self.prefix)
    }

    /// A user's list: `queue` or `dlq`. A user is bytes, and so is the key.
    pub fn list(&self, kind: &str, user: &[u8]) -> Vec<u8> {
        [self.root(kind).as_bytes(), user].concat()
    }
}

/// A random name of 128 bits, in hex: of an owner or a producer.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A reply, and when the call that it answers was sent.
pub struct Answer<T> {
    pub value: T,
    pub sent: Instant,
}

/// The error that a call ended with.
#[derive(Debug)]
pub enum CallError {
    /// Clients of another major or number of shards use these keys. Nothing was done, and repeating does not help.
    Protocol,
    /// Sent more than once, the call may have run all the same.
    Redis { error: RedisError, sends: u32 },
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Protocol => formatter.write_str("PROTOCOL another <major> <shards> is in force"),
            Self::Redis { error, sends: 0 | 1 } => error.fmt(formatter),
            Self::Redis { error, sends } => write!(formatter, "{error} (sent {sends} times)"),
        }
    }
}

impl error::Error for CallError {}

/// A connection that is made anew when it breaks. One call in flight.
pub struct Link {
    client: Client,
    connection: Option<Connection>,
    /// When to stop repeating, if ever.
    pub until: Option<Instant>,
}

impl Link {
    /// `address`: a URL, or the path of a unix socket.
    pub fn new(address: &str) -> RedisResult<Self> {
        let url = if address.starts_with('/') { format!("unix://{address}") } else { address.to_owned() };
        Ok(Self { client: Client::open(url)?, connection: None, until: None })
    }

    pub fn connection(&mut self) -> RedisResult<&mut Connection> {
        if self.connection.is_none() {
            let connection = self.client.get_connection_with_timeout(ANSWER_TIMEOUT)?;
            connection.set_read_timeout(Some(ANSWER_TIMEOUT))?; // a half-open connection would hang for minutes
            connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            self.connection = Some(connection);
        }
        Ok(self.connection.as_mut().expect("made above"))
    }

    /// Forgets a connection after an error, since a reply may still be on its way in it.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends the same call until Redis answers it: every script is safe to replay.
    pub fn call<T: FromRedisValue>(&mut self, call: &ScriptInvocation) -> Result<Answer<T>, CallError> {
        self.repeat(|connection| call.invoke(connection)) // EVALSHA, and SCRIPT LOAD when Redis answers NOSCRIPT
    }

    pub fn repeat<T>(&mut self, send: impl Fn(&mut Connection) -> RedisResult<T>) -> Result<Answer<T>, CallError> {
        let [mut pause, longest] = BACK_OFF;
        let mut sends = 0;
        loop {
            let sent = Instant::now();
            let outcome = self.connection().and_then(|connection| {
                sends += 1;
                send(connection)
            });
            let error = match outcome {
                Ok(value) => return Ok(Answer { value, sent }),
                Err(error) => error,
            };
            if error.code() == Some("PROTOCOL") {
                return Err(CallError::Protocol);
            }
            let over = self.until.is_some_and(|until| Instant::now() >= until);
            if over || error.code().is_some_and(|code| REFUSALS.contains(&code)) {
                return Err(CallError::Redis { error, sends });
            }
            eprintln!("{error}: again in {pause:?}");
            self.disconnect();
            thread::sleep(pause);
            pause = longest.min(pause * 2);
        }
    }
}
