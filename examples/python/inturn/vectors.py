"""Runs the conformance vectors, as the README beside them describes them."""

import json
import re
import secrets
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from .scripts import Script
from .shards import shard_of, shard_prefix

FORM = re.compile(r"<(hex|ms) ([^>]*)>")
TIME = rb"(\d{13})"


async def run(redis: Redis, directory: Path) -> tuple[int, list[str]]:
    """How many passed, and what is to be said of each that failed."""
    outcomes: list[str | None] = []
    runner = _Runner(redis, directory)
    for path in sorted(directory.glob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        if path.name == "shards.json":
            outcomes += _check_shards(content)
            continue
        for case in content["cases"]:
            failure = await runner.check(case)
            outcomes.append(failure and f"{path.stem}: {case['name']}: {failure}")
    failures = [outcome for outcome in outcomes if outcome]
    return len(outcomes) - len(failures), failures


class _Runner:
    def __init__(self, redis: Redis, directory: Path) -> None:
        self._redis = redis
        self._directory = directory
        self._scripts: dict[str, Script] = {}
        self._cases = 0

    async def check(self, case: dict[str, Any]) -> str | None:
        self._cases += 1
        prefix = f"vectors:{secrets.token_hex(4)}:{self._cases}:".encode()
        start = await self._clock()
        for key, *rest in case["given"]:
            await self._call("put", [prefix + _bytes(key, start)], [_bytes(one, start) for one in rest])
        replies = [await self._step(step, prefix, start) for step in case["steps"]]
        state = await self._call("dump", [prefix], [])
        end = await self._clock()
        if state:
            await self._redis.delete(*(prefix + key for key, *_ in state))
        for number, (step, reply) in enumerate(zip(case["steps"], replies, strict=True), 1):
            if not _answers(step, reply, start, end):
                expected = step.get("error", step.get("reply"))
                return f"step {number}, {step['call']}: expected {expected!r}, got {reply!r}"
        return None if _matches(case["then"], state, start, end) else f"afterwards: expected {case['then']!r}, got {state!r}"

    async def _step(self, step: dict[str, Any], prefix: bytes, start: int) -> Any:
        if "advance" in step:
            return await self._call("advance", [prefix], [step["advance"]])
        keys = [prefix + _bytes(key, start) for key in step["keys"]]
        try:
            return await self._call(f"../{step['call']}", keys, [_bytes(arg, start) for arg in step["args"]])
        except RedisError as error:
            return error

    async def _call(self, name: str, keys: list[bytes], args: list[Any]) -> Any:
        if name not in self._scripts:
            self._scripts[name] = Script(self._directory / f"{name}.lua")
        return await self._scripts[name](self._redis, keys, args)

    async def _clock(self) -> int:
        seconds, micros = await self._redis.time()
        return seconds * 1000 + micros // 1000


def _parts(text: str) -> list[bytes | int]:
    """Bytes, and times as ms from `start`."""
    parts: list[bytes | int] = []
    at = 0
    for form in FORM.finditer(text):
        value = form[2]
        parts += [text[at : form.start()].encode(), bytes.fromhex(value) if form[1] == "hex" else int(value)]
        at = form.end()
    return [*parts, text[at:].encode()]


def _bytes(value: str | int, start: int) -> bytes:
    return b"".join(b"%d" % (start + part) if isinstance(part, int) else part for part in _parts(str(value)))


def _answers(step: dict[str, Any], reply: Any, start: int, end: int) -> bool:
    if "error" in step:
        return isinstance(reply, RedisError) and step["error"] in str(reply)
    return "advance" in step or _matches(step["reply"], reply, start, end)


def _matches(expected: Any, actual: Any, start: int, end: int) -> bool:
    match expected:
        case list():
            same = isinstance(actual, list) and len(actual) == len(expected)
            return same and all(_matches(one, other, start, end) for one, other in zip(expected, actual))
        case {"near": near}:
            return isinstance(actual, int) and abs(actual - near) <= end - start
        case str():
            return isinstance(actual, bytes) and _matches_text(expected, actual, start, end)
        case _:
            return actual == expected


def _matches_text(text: str, actual: bytes, start: int, end: int) -> bool:
    parts = _parts(text)
    pattern = b"".join(TIME if isinstance(part, int) else re.escape(part) for part in parts)
    found = re.fullmatch(pattern, actual, re.DOTALL)
    times = [part for part in parts if isinstance(part, int)]
    return found is not None and all(
        start + ms <= int(time) <= end + ms for ms, time in zip(times, found.groups(), strict=True)
    )


def _check_shards(pairs: dict[str, Any]) -> list[str | None]:
    outcomes: list[str | None] = []
    for user, shards, shard in pairs["users"]:
        got = shard_of(_bytes(user, 0), shards)
        outcomes.append(None if got == shard else f"shards: {user!r} of {shards}: expected {shard}, got {got}")
    for name, shards, shard, prefix in pairs["prefixes"]:
        found = shard_prefix(name.encode(), shard, shards).decode()
        outcomes.append(None if found == prefix else f"shards: {name!r}: expected {prefix}, got {found}")
    return outcomes
