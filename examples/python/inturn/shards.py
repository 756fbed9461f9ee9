"""For who spreads users over several sets of keys: each shard has a producer and a consumer with its prefix."""

from binascii import crc_hqx  # CRC16/XMODEM, the checksum of Redis Cluster
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from .scripts import Keys, ProtocolError, answered

SLOTS = 16384


async def shard_prefixes(redis: Redis, prefix: bytes, shards: int) -> list[bytes]:
    """Of all shards, when clients of this number are not refused: several shards meet where one would be."""
    if shards == 1:
        return [prefix]  # the scripts will tell
    await answered(lambda: _shake_hands(redis, Keys(prefix, shards)))
    return [shard_prefix(prefix or b"inturn", shard, shards) for shard in range(shards)]


async def _shake_hands(redis: Redis, keys: Keys) -> None:
    [protocol] = keys.dispatcher("protocol")
    if (in_force := await redis.get(protocol)) is None:
        with suppress(OutOfMemoryError):  # what waits in a full Redis has to be drained
            await redis.set(protocol, keys.version, nx=True)
        in_force = await redis.get(protocol)
    if in_force not in (None, keys.version):
        raise ProtocolError("PROTOCOL another <major> <shards> is in force")


def shard_of(user: bytes, shards: int) -> int:
    return crc_hqx(user, 0) % shards


def shard_prefix(name: bytes, shard: int, shards: int) -> bytes:
    """With the smallest k whose tag is in the shard's part of the slots."""
    k = 0
    while crc_hqx(tag := b"%s:%d:%d" % (name, shard, k), 0) % SLOTS * shards // SLOTS != shard:
        k += 1
    return b"{%s}:" % tag
