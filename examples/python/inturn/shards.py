"""For who spreads users over several sets of keys: each shard has a producer and a consumer with its prefix."""

from binascii import crc_hqx  # CRC16/XMODEM, the checksum of Redis Cluster

SLOTS = 16384


def shard_of(user: bytes, shards: int) -> int:
    return crc_hqx(user, 0) % shards


def shard_prefix(name: bytes, shard: int, shards: int) -> bytes:
    """With the smallest k whose tag is in the shard's part of the slots."""
    k = 0
    while crc_hqx(tag := b"%s:%d:%d" % (name, shard, k), 0) % SLOTS * shards // SLOTS != shard:
        k += 1
    return b"{%s}:" % tag
