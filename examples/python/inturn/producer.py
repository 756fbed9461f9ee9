import asyncio
import secrets
from collections import deque
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from . import scripts
from .scripts import MAX_BYTES, MAX_ITEMS, Keys

#: How long Redis remembers a producer's last call.
TTL_MS = 86_400_000


class QueueFull(Exception):
    pass


class WrongType(Exception):
    """The key of the user's queue holds a value of another type."""


class UnknownOutcome(Exception):
    """The message may have been accepted, or not."""


@dataclass
class _Waiting:
    user: bytes
    payload: bytes
    id: bytes
    accepted: "asyncio.Future[int]"


class Producer:
    """
    Has one call in flight, under a number that grows. What is enqueued meanwhile travels in the next: so batches form by
    themselves, and a call that is sent again cannot be overtaken.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: bytes = b"",
        *,
        shards: int = 1,
        max_length: int = 1_000_000,
        window_ms: int = TTL_MS,
    ) -> None:
        self._redis = redis
        self._keys = Keys(prefix, shards)
        self._max_length = max_length
        self._window_ms = window_ms
        self._waiting: deque[_Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._renumber()

    async def enqueue(self, user: bytes, payload: bytes, id: bytes = b"") -> int:
        """Its position (1: the head), or 0: a message with this id was accepted within the window."""
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(user, payload, id, accepted))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await accepted

    async def _send(self) -> None:
        while batch := self._take():
            try:
                replies = await self._call(batch)
            except (RedisError, UnknownOutcome) as error:
                replies = [error] * len(batch)
            for message, reply in zip(batch, replies, strict=True):
                if not message.accepted.cancelled():
                    _settle(message.accepted, reply)
        self._sending = None

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MAX_ITEMS:
            size += len(self._waiting[0].payload)
            if batch and size > MAX_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _call(self, batch: list[_Waiting]) -> list[int]:
        self._n += 1
        doubt = False  # whether an earlier sending may have been carried out
        pause = 0.01
        while True:
            try:
                return await self._enqueue(batch)
            except RedisError as error:
                expired = str(error).startswith("EXPIRED")
                if expired or str(error).startswith("STALE"):
                    self._renumber(1)
                if isinstance(error, scripts.NO_ANSWER):
                    doubt = True
                elif doubt:
                    raise UnknownOutcome(str(error)) from error
                elif not expired:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.5)

    async def _enqueue(self, batch: list[_Waiting]) -> list[int]:
        keys = self._keys.dispatcher("protocol", "active", "wake", "seen", f"producer:{self._id}")
        keys += [self._keys.queue(message.user) for message in batch]
        messages = [field for message in batch for field in (message.user, message.id, message.payload)]
        args = [self._keys.version, self._n, TTL_MS, self._max_length, self._window_ms, *messages]
        reply: bytes = await scripts.enqueue(self._redis, keys, args)
        return [int(position) for position in reply.split()]

    def _renumber(self, n: int = 0) -> None:
        self._id = secrets.token_hex(16)
        self._n = n


def _settle(accepted: "asyncio.Future[int]", reply: int | Exception) -> None:
    if isinstance(reply, Exception):
        accepted.set_exception(reply)
    elif reply == -1:
        accepted.set_exception(QueueFull())
    elif reply == -2:
        accepted.set_exception(WrongType())
    else:
        accepted.set_result(reply)
