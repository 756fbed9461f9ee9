//! Runs the conformance vectors, each under a prefix of its own. The format is in `lua/vectors/README.md`.

use std::error::Error;
use std::fs;
use std::path::Path;

use redis::{FromRedisValue, RedisError, RedisResult, Script, Value};
use serde_json::Value as Json;

use crate::link::{Link, Scripts, random_id};
use crate::shards;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub struct Report {
    pub passed: usize,
    pub failures: Vec<String>,
}

struct Runner<'a> {
    link: Link,
    scripts: &'a Scripts,
    /// `put`, `advance` and `dump`.
    tools: &'a Scripts,
}

/// By the clock of Redis, in ms: before a case's first command, and after its last.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
}

/// Runs every file of a folder.
pub fn run(address: &str, folder: &Path) -> Result<Report> {
    let (scripts, tools) = (Scripts::load(&folder.join(".."))?, Scripts::load(folder)?);
    let mut runner = Runner { link: Link::new(address)?, scripts: &scripts, tools: &tools };
    let mut report = Report { passed: 0, failures: Vec::new() };
    let mut files: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|it| it == "json"));
    files.sort();
    for path in files {
        let content: Json = serde_json::from_slice(&fs::read(&path)?)?;
        let file = path.file_stem().unwrap_or_default().to_string_lossy();
        let results = if file == "shards" { check_shards(&content)? } else { runner.cases(&content["cases"])? };
        for (name, problem) in results {
            match problem {
                None => report.passed += 1,
                Some(problem) => report.failures.push(format!("{file}: {name}: {problem}")),
            }
        }
    }
    Ok(report)
}

/// A case's name, and what is wrong with it.
type Checked = (String, Option<String>);

impl<'a> Runner<'a> {
    fn cases(&mut self, cases: &Json) -> Result<Vec<Checked>> {
        list(cases)?.iter().map(|case| Ok((text(&case["name"])?.to_owned(), self.case(case)?))).collect()
    }

    fn case(&mut self, case: &Json) -> Result<Option<String>> {
        let prefix = format!("vectors:{}:", random_id());
        let start = self.now()?;
        for entry in list(&case["given"])? {
            let items = list(entry)?.iter().map(|item| input(item, start)).collect::<Result<Vec<_>>>()?;
            let [key, rest @ ..] = &items[..] else { return Err("a key without a name".into()) };
            self.tool("put")?
                .key([prefix.as_bytes(), key].concat())
                .arg(rest)
                .invoke::<Value>(self.link.connection()?)?;
        }
        let steps = list(&case["steps"])?;
        let replies = steps.iter().map(|step| self.step(step, &prefix, start)).collect::<Result<Vec<_>>>()?;
        let state: Value = self.tool("dump")?.key(&prefix).invoke(self.link.connection()?)?;
        let span = Span { start, end: self.now()? };
        self.remove(&prefix, &state)?;

        for (n, (step, reply)) in steps.iter().zip(replies).enumerate() {
            if let Some(problem) = check_step(step, &reply, span)? {
                return Ok(Some(format!("step {}: {problem}", n + 1)));
            }
        }
        check(&case["then"], &state, span).map(|problem| problem.map(|it| format!("state: {it}")))
    }

    fn step(&mut self, step: &Json, prefix: &str, start: i64) -> Result<RedisResult<Value>> {
        if let Some(ms) = step["advance"].as_i64() {
            return Ok(self.tool("advance")?.key(prefix).arg(ms).invoke(self.link.connection()?));
        }
        let name = text(&step["call"])?;
        let mut call = self.scripts.get(name).ok_or_else(|| format!("no {name}.lua"))?.prepare_invoke();
        for key in list(&step["keys"])? {
            call.key([prefix.as_bytes(), &input(key, start)?].concat());
        }
        for argument in list(&step["args"])? {
            call.arg(input(argument, start)?);
        }
        Ok(call.invoke(self.link.connection()?))
    }

    fn tool(&self, name: &str) -> Result<&'a Script> {
        self.tools.get(name).ok_or_else(|| format!("no {name}.lua beside the vectors").into())
    }

    fn now(&mut self) -> Result<i64> {
        let (seconds, us): (i64, i64) = redis::cmd("TIME").query(self.link.connection()?)?;
        Ok(seconds * 1000 + us / 1000)
    }

    fn remove(&mut self, prefix: &str, state: &Value) -> Result<()> {
        for entry in Vec::<Value>::from_redis_value_ref(state)? {
            if let Value::Array(items) = entry
                && let Some(Value::BulkString(key)) = items.first()
            {
                redis::cmd("DEL").arg([prefix.as_bytes(), key].concat()).exec(self.link.connection()?)?;
            }
        }
        Ok(())
    }
}

fn check_step(step: &Json, reply: &RedisResult<Value>, span: Span) -> Result<Option<String>> {
    match (step.get("error"), reply) {
        (Some(expected), Err(error)) => {
            let actual = message(error);
            Ok((!actual.contains(text(expected)?)).then(|| format!("expected the error {expected}, got {actual}")))
        }
        (Some(expected), Ok(reply)) => Ok(Some(format!("expected the error {expected}, got {reply:?}"))),
        (None, Err(error)) => Ok(Some(message(error))),
        (None, Ok(_)) if step.get("advance").is_some() => Ok(None),
        (None, Ok(reply)) => check(&step["reply"], reply, span),
    }
}

/// An error as Redis wrote it.
fn message(error: &RedisError) -> String {
    [error.code().unwrap_or_default(), error.detail().unwrap_or_default()].join(" ")
}

/// What differs between a reply and what was expected.
fn check(expected: &Json, actual: &Value, span: Span) -> Result<Option<String>> {
    let slack = span.end - span.start;
    let fits = match (expected, actual) {
        (Json::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (expected, actual) in expected.iter().zip(actual) {
                if let Some(problem) = check(expected, actual, span)? {
                    return Ok(Some(problem));
                }
            }
            true
        }
        (Json::Object(near), Value::Int(actual)) => {
            (near["near"].as_i64().ok_or("near: a number")? - actual).abs() <= slack
        }
        (Json::Number(expected), Value::Int(actual)) => expected.as_i64() == Some(*actual),
        (Json::String(expected), Value::BulkString(actual)) => text_fits(expected, actual, span)?,
        (Json::String(expected), Value::SimpleString(actual)) => text_fits(expected, actual.as_bytes(), span)?,
        _ => false,
    };
    Ok(if fits { None } else { Some(format!("expected {expected}, got {actual:?}")) })
}

/// A piece of a text: bytes as they are, or a time.
enum Piece {
    Bytes(Vec<u8>),
    Ms(i64),
}

fn pieces(text: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (form, after) = after.split_once('>').ok_or_else(|| format!("{text}: no > after <"))?;
        pieces.push(Piece::Bytes(before.into()));
        pieces.push(match form.split_once(' ') {
            Some(("hex", digits)) => Piece::Bytes(
                (0..digits.len())
                    .step_by(2)
                    .map(|at| Ok(u8::from_str_radix(&digits[at..at + 2], 16)?))
                    .collect::<Result<_>>()?,
            ),
            Some(("ms", digits)) => Piece::Ms(digits.parse()?),
            _ => return Err(format!("{text}: unknown form <{form}>").into()),
        });
        rest = after;
    }
    pieces.push(Piece::Bytes(rest.into()));
    Ok(pieces)
}

/// The bytes of a text or an integer.
fn input(item: &Json, start: i64) -> Result<Vec<u8>> {
    let Some(text) = item.as_str() else { return Ok(item.to_string().into_bytes()) };
    let bytes = pieces(text)?.into_iter().map(|piece| match piece {
        Piece::Bytes(bytes) => bytes,
        Piece::Ms(ms) => (start + ms).to_string().into_bytes(),
    });
    Ok(bytes.flatten().collect())
}

fn text_fits(expected: &str, mut actual: &[u8], span: Span) -> Result<bool> {
    for piece in pieces(expected)? {
        let rest = match &piece {
            Piece::Bytes(bytes) => actual.strip_prefix(&bytes[..]),
            Piece::Ms(ms) => after_time(actual, span.start + ms, span.end + ms),
        };
        let Some(rest) = rest else { return Ok(false) };
        actual = rest;
    }
    Ok(actual.is_empty())
}

/// What follows a time of 13 digits that is in the range.
fn after_time(actual: &[u8], from: i64, to: i64) -> Option<&[u8]> {
    let (time, rest) = actual.split_at_checked(13)?;
    let time: i64 = str::from_utf8(time).ok()?.parse().ok()?;
    (from <= time && time <= to).then_some(rest)
}

fn check_shards(content: &Json) -> Result<Vec<Checked>> {
    let number = |json: &Json| json.as_u64().ok_or("shards: a number");
    let mut checked = Vec::new();
    for row in list(&content["users"])? {
        let shard = shards::of_user(&input(&row[0], 0)?, number(&row[1])?);
        checked.push((row.to_string(), (row[2] != shard).then(|| format!("got {shard}"))));
    }
    for row in list(&content["prefixes"])? {
        let prefix = shards::prefix(text(&row[0])?, number(&row[2])?, number(&row[1])?);
        checked.push((row.to_string(), (row[3] != prefix).then(|| format!("got {prefix}"))));
    }
    Ok(checked)
}

fn list(json: &Json) -> Result<&Vec<Json>> {
    json.as_array().ok_or_else(|| format!("expected a list, got {json}").into())
}

fn text(json: &Json) -> Result<&str> {
    json.as_str().ok_or_else(|| format!("expected a text, got {json}").into())
}
