"""The scripts, the keys that they work on, and how to call them."""

import asyncio
import hashlib
import logging
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError, RedisError, ResponseError, TimeoutError

LUA = Path(os.environ.get("INTURN_LUA") or Path(__file__).resolve().parents[3] / "lua")
MAJOR = 1
MAX_ITEMS = 250
MAX_BYTES = 1 << 20
#: A connection that is silent for longer is taken for lost. A wait for a wake-up is shorter.
SOCKET_SECONDS = 5
WAIT_SECONDS = 3
#: The call may have been carried out. (Also a server that is loading its data: then it was not, and will be.)
NO_ANSWER = (ConnectionError, TimeoutError)

log = logging.getLogger("inturn")
Argument = bytes | str | int


class ProtocolError(ResponseError):
    """Clients of another major or number of shards use these keys. Nothing was done, and repeating does not help."""


class Script:
    def __init__(self, path: Path) -> None:
        self._source = path.read_bytes()
        self._sha = hashlib.sha1(self._source).hexdigest()

    async def __call__(self, redis: Redis, keys: Sequence[bytes], args: Sequence[Argument]) -> Any:
        try:
            return await self._run(redis, len(keys), *keys, *args)
        except ResponseError as error:
            if str(error).startswith("PROTOCOL"):
                raise ProtocolError(str(error)) from None
            raise

    async def _run(self, redis: Redis, *rest: Argument) -> Any:
        try:
            return await redis.evalsha(self._sha, *rest)
        except NoScriptError:
            return await redis.eval(self._source, *rest)


enqueue, claim, ack, retry, release, renew = (
    Script(LUA / f"{name}.lua") for name in ("enqueue", "claim", "ack", "retry", "release", "renew")
)


class Keys:
    def __init__(self, prefix: bytes, shards: int) -> None:
        #: Of the protocol, and the number of shards: other ones than those in force are refused.
        self.version = b"%d %d" % (MAJOR, shards)
        self._prefix = prefix
        self.queues = prefix + b"queue:"
        self.schedules = prefix + b"scheduled:"

    def dispatcher(self, *names: str) -> list[bytes]:
        return [self._prefix + b"dispatcher:" + name.encode() for name in names]

    def queue(self, user: bytes) -> bytes:
        return self.queues + user

    def dlq(self, user: bytes) -> bytes:
        return self._prefix + b"dlq:" + user


def connect(where: str) -> Redis:
    """A client whose calls are sent once: who repeats a call must know that it may have been carried out."""
    options = {"retry": Retry(NoBackoff(), 0), "socket_timeout": SOCKET_SECONDS}
    return Redis.from_url(where, **options) if "://" in where else Redis(unix_socket_path=where, **options)


def refused(error: RedisError) -> bool:
    """The call breaks the contract: repeating it cannot help."""
    return str(error).startswith(("ARGUMENT", "PROTOCOL"))


async def answered(call: Callable[[], Awaitable[Any]]) -> Any:
    """Repeats a call until Redis answers it. Every script is safe to replay."""
    pause = 0.01
    while True:
        try:
            return await call()
        except RedisError as error:
            if refused(error):
                raise
            log.warning("%s; trying again", error)
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, 0.5)
