//! Where a user belongs when there is more than one shard, and how its keys begin.

const SLOTS: u64 = 16384;

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
