//! Where a user belongs when there is more than one shard, and how its keys begin.

use redis::{Connection, RedisResult, Value, cmd};

use crate::link::{CallError, Keys, Link};

const SLOTS: u64 = 16384;

/// The keys of all shards, if clients of this number are not refused: several shards meet where one would be.
pub fn open(link: &mut Link, prefix_given: &str, shards: u64) -> Result<Vec<Keys>, CallError> {
    let common = Keys::new(prefix_given, shards);
    if shards == 1 {
        return Ok(vec![common]); // the scripts will tell
    }
    if !link.repeat(|connection| shake_hands(connection, &common))?.value {
        return Err(CallError::Protocol);
    }
    let name = if prefix_given.is_empty() { "inturn" } else { prefix_given };
    Ok((0..shards).map(|shard| Keys::new(&prefix(name, shard, shards), shards)).collect())
}

fn shake_hands(connection: &mut Connection, keys: &Keys) -> RedisResult<bool> {
    let protocol = keys.fixed("protocol");
    let mut in_force: Option<String> = cmd("GET").arg(&protocol).query(connection)?;
    if in_force.is_none() {
        let stored: RedisResult<Value> = cmd("SET").arg(&protocol).arg(&keys.version).arg("NX").query(connection);
        if let Err(error) = stored
            && error.code() != Some("OOM")
        // what waits in a full Redis has to be drained
        {
            return Err(error);
        }
        in_force = cmd("GET").arg(&protocol).query(connection)?;
    }
    Ok(in_force.is_none_or(|text| text == keys.version))
}

/// CRC16/XMODEM, as Redis Cluster has it.
fn crc16(bytes: &[u8]) -> u64 {
    let crc = bytes.iter().fold(0u16, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    });
    u64::from(crc)
}

/// All bytes of the user count: braces mean nothing here.
pub fn of_user(user: &[u8], shards: u64) -> u64 {
    crc16(user) % shards
}

/// The prefix of a shard: its hash tag is in the shard's own part of the slots, so that the shards spread over a cluster.
pub fn prefix(name: &str, shard: u64, shards: u64) -> String {
    let tag = (0u64..)
        .map(|k| format!("{name}:{shard}:{k}"))
        .find(|tag| crc16(tag.as_bytes()) % SLOTS * shards / SLOTS == shard);
    format!("{{{}}}:", tag.expect("every slot has a tag"))
}
