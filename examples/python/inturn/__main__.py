"""python -m inturn produce|consume|vectors: see README.md."""

import argparse
import asyncio
import json
import logging
import random
import signal
import sys
import time
from pathlib import Path

from . import vectors
from .consumer import Consumer, Message
from .producer import Producer
from .scripts import ProtocolError, connect
from .shards import shard_of, shard_prefixes


def emit(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


async def produce(options: argparse.Namespace) -> None:
    async with connect(options.redis) as redis:
        prefixes = await shard_prefixes(redis, options.prefix.encode(), options.shards)
        producers = [Producer(redis, prefix, shards=options.shards) for prefix in prefixes]

        async def send(user: str) -> None:
            producer = producers[shard_of(user.encode(), options.shards)]
            for i in range(options.count):
                message = {"by": options.name, "i": i}
                position = await producer.enqueue(user.encode(), json.dumps(message).encode())
                emit("accepted", user=user, **message, position=position)

        async with asyncio.TaskGroup() as users:
            for user in options.users.split(","):
                users.create_task(send(user))


async def consume(options: argparse.Namespace) -> None:
    def tell(event: str, message: Message, **more: object) -> None:
        text = {name: getattr(message, name).decode(errors="replace") for name in ("user", "fence", "payload")}
        emit(event, name=options.name, **text, attempts=message.attempts, **more, at_ns=time.monotonic_ns())

    async def handle(message: Message) -> None:
        tell("start", message)
        await asyncio.sleep(options.work_ms / 1000)
        tell("end", message)
        if message.attempts == 1 and random.random() * 100 < options.fail_percent:
            raise RuntimeError("told to fail")

    async with connect(options.redis) as redis:
        consumers = [
            Consumer(
                redis, handle, prefix, shards=options.shards,
                slots=options.slots, lease_ms=options.lease_ms, back_off=lambda attempts: 10 * attempts,
                on_settled=lambda message, outcome: tell("settled", message, outcome=outcome),
            )
            for prefix in await shard_prefixes(redis, options.prefix.encode(), options.shards)
        ]
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: [one.stop() for one in consumers])
        async with asyncio.TaskGroup() as running:
            for consumer in consumers:
                running.create_task(consumer.run())


async def run_vectors(options: argparse.Namespace) -> None:
    async with connect(options.redis) as redis:
        passed, failures = await vectors.run(redis, options.directory)
    for failure in failures:
        print(failure)
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(1 if failures or not passed else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="inturn")
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: object) -> argparse.ArgumentParser:
        one = commands.add_parser(name)
        one.set_defaults(run=run)
        one.add_argument("--redis", required=True, help="a URL, or the path of a unix socket")
        return one

    producing, consuming = command("produce", produce), command("consume", consume)
    for one in (producing, consuming):
        one.add_argument("--prefix", default="")
        one.add_argument("--shards", type=int, default=1, help="that users are spread over")
        one.add_argument("--name", required=True)
    producing.add_argument("--users", required=True, help="separated by commas")
    producing.add_argument("--count", type=int, required=True, help="messages per user")
    consuming.add_argument("--slots", type=int, default=10, help="of each shard")
    consuming.add_argument("--lease-ms", type=int, default=30_000)
    consuming.add_argument("--fail-percent", type=float, default=0, help="of first attempts")
    consuming.add_argument("--work-ms", type=float, default=1, help="that a handling takes")
    command("vectors", run_vectors).add_argument("directory", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    arguments = parse()
    refusals: tuple[Exception, ...] = ()
    try:
        asyncio.run(arguments.run(arguments))
    except* ProtocolError as group:
        refusals = group.exceptions
    if refusals:
        sys.exit(str(refusals[0]))
