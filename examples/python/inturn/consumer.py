import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from . import scripts
from .scripts import MAX_BYTES, MAX_ITEMS, WAIT_SECONDS, Argument, Keys, Script, answered, log

#: The longest that anything goes unnoticed when a wake-up is lost.
INTERVAL = 0.1
#: Claims that a message may have though it kills its process, whatever the number of retries.
MIN_CRASHES = 3
#: For a user whose last handler has lost its lease, but not yet returned.
BUSY_MS = 100


class RetryLater(Exception):
    """Raised by a handler: the message waits that long, and the attempt does not count."""

    def __init__(self, ms: int) -> None:
        self.ms = ms


class Reject(Exception):
    """Raised by a handler: the message goes to the dead letters at once."""


@dataclass(frozen=True, eq=False)
class Message:
    user: bytes
    fence: bytes
    #: Claims that count, with this one.
    attempts: int
    #: Since the user's message before it in this run was settled; -1: do not pace.
    since_ms: int
    payload: bytes
    #: Cancels the handler when the lease ends.
    lease: asyncio.Timeout = field(repr=False)


Handler = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class _Outcome:
    name: str
    script: Script
    args: tuple[Argument, ...] = ()


def _back_off(attempts: int) -> int:
    return int(min(1000 * 2 ** (attempts - 1), 60_000) * random.uniform(0.5, 1))


class Consumer:
    """Claims messages for its free slots and handles them, until it is stopped. A handler whose lease ends is cancelled."""

    def __init__(
        self,
        redis: Redis,
        handler: Handler,
        prefix: bytes = b"",
        *,
        shards: int = 1,
        slots: int = 10,
        lease_ms: int = 30_000,
        retries: int = 3,
        back_off: Callable[[int], int] = _back_off,
        pace: Callable[[bytes], int] = lambda payload: 0,
        on_settled: Callable[[Message, str], None] = lambda message, outcome: None,
    ) -> None:
        self._redis = redis
        self._handler = handler
        self._keys = Keys(prefix, shards)
        self._slots = slots
        self._lease_ms = lease_ms
        self._retries = retries
        self._back_off = back_off
        self._pace = pace
        self._on_settled = on_settled
        self._owner = secrets.token_urlsafe(33)  # 44 characters: see the guide
        self._after = b"0"
        self._running: set[asyncio.Task[None]] = set()
        self._held: dict[bytes, Message] = {}  # by user: what handlers work on
        self._due = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Claims nothing more; `run` returns when what runs has ended."""
        self._stopping = True
        self._due.set()

    async def run(self) -> None:
        renewing = asyncio.create_task(self._renew())
        waiting: asyncio.Task[None] | None = None
        try:
            while not self._stopping:
                self._due.clear()
                wait = await self._claim(self._slots - len(self._running))
                if self._slots > len(self._running) and (waiting is None or waiting.done()):
                    waiting = asyncio.create_task(self._wait())
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._due.wait(), wait)
            if self._running:
                await asyncio.wait(self._running)
        finally:
            for task in (renewing, waiting):
                if task:
                    task.cancel()
        await self._claim(0)  # a wake-up that this process took is passed on

    async def _claim(self, limit: int) -> float:
        """Claims messages and starts their handling. Gives the seconds until the next claim may find some."""
        keys = self._keys.dispatcher(
            "protocol", "active", "claims", "fence", "paused", "wake", f"owner:{self._owner}", "rate", "scheduled"
        )
        keys += [self._keys.queues, self._keys.schedules]
        args = [self._keys.version, self._owner, self._after, min(limit, MAX_ITEMS), self._lease_ms, MAX_BYTES]
        deadline = 0.0

        async def call() -> list:
            nonlocal deadline
            deadline = self._deadline()
            return await scripts.claim(self._redis, keys, args)

        wait_ms, more, *claims = await answered(call)
        for user, fence, attempts, since_ms, payload in claims:
            self._after = max(self._after, fence, key=int)
            self._start(Message(user, fence, attempts, since_ms, payload, asyncio.timeout_at(deadline)))
        if more and self._slots > len(self._running):
            return 0
        return min(wait_ms / 1000, INTERVAL) if wait_ms > 0 else INTERVAL

    def _deadline(self) -> float:
        """Of a lease that begins now, by the monotonic clock; Redis rounds its own down to whole ms."""
        return asyncio.get_running_loop().time() + (self._lease_ms - 1) / 1000

    async def _wait(self) -> None:
        """Waits for a wake-up. Only while a slot is free: others can use it meanwhile."""
        try:
            await self._redis.blpop(self._keys.dispatcher("wake"), WAIT_SECONDS)
        except RedisError as error:
            log.warning("%s; waiting again", error)
            await asyncio.sleep(INTERVAL)
        self._due.set()

    def _start(self, message: Message) -> None:
        task = asyncio.create_task(self._handle(message))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.remove(task)
        self._due.set()  # the user's next message may be due, and nobody else is woken for it

    async def _handle(self, message: Message) -> None:
        try:
            async with message.lease:
                outcome = await self._outcome(message)
                await self._settle(message, outcome)
        except TimeoutError:
            self._on_settled(message, "lost")
        else:
            self._on_settled(message, outcome.name)

    async def _outcome(self, message: Message) -> _Outcome:
        if self._stopping:
            return _Outcome("released", scripts.release, (0, 0))
        if message.user in self._held:
            return _Outcome("released", scripts.release, (BUSY_MS, 0))
        if message.attempts > max(self._retries + 1, MIN_CRASHES):
            return self._failed(message, 0, "crashed")
        if message.attempts == 1 and 0 <= message.since_ms < (pace := self._pace(message.payload)):
            return _Outcome("released", scripts.release, (pace - message.since_ms, 1))
        self._held[message.user] = message
        try:
            await self._handler(message)
        except RetryLater as later:
            return _Outcome("released", scripts.release, (later.ms, 1))
        except Reject as error:
            return self._failed(message, 0, str(error))
        except Exception as error:  # whatever it is, the message is tried again
            return self._failed(message, self._retries + 1, repr(error))
        finally:
            self._held.pop(message.user)
        return _Outcome("acked", scripts.ack, (0,))

    def _failed(self, message: Message, claims: int, reason: str) -> _Outcome:
        name = "retried" if message.attempts < claims else "dead"
        text = reason.encode()[:500].decode(errors="ignore")
        return _Outcome(name, scripts.retry, (claims, self._back_off(message.attempts), "continue", text))

    async def _settle(self, message: Message, outcome: _Outcome) -> None:
        """Any answer will do: 0 while the lease runs is the answer to a repeat of the call that worked."""
        keys = self._keys.dispatcher("protocol", "active", "claims")
        if outcome.script is scripts.ack:
            keys += [self._keys.queue(message.user)]
        elif outcome.script is scripts.retry:
            keys += self._keys.dispatcher("dead", "paused")
            keys += [self._keys.queue(message.user), self._keys.dlq(message.user)]
        else:
            keys += self._keys.dispatcher("rate")
        args = [self._keys.version, self._owner, message.user, message.fence, *outcome.args]
        await answered(lambda: outcome.script(self._redis, keys, args))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            held = [message for message in self._held.values() if not message.lease.expired()]
            for first in range(0, len(held), MAX_ITEMS):
                try:
                    await self._renew_some(held[first : first + MAX_ITEMS])
                except RedisError as error:
                    log.warning("%s; renewing again in a third of the lease", error)

    async def _renew_some(self, messages: list[Message]) -> None:
        keys = self._keys.dispatcher("protocol", "active", "claims")
        claims = [field for message in messages for field in (message.user, message.fence)]
        deadline = self._deadline()
        replies = await scripts.renew(self._redis, keys, [self._keys.version, self._owner, self._lease_ms, *claims])
        for message, kept in zip(messages, replies, strict=True):
            if self._held.get(message.user) is message and not message.lease.expired():
                message.lease.reschedule(deadline if kept else 0)
