"""A client of inturn: each user's messages handled one at a time, in order and never lost."""

from .consumer import Consumer, Message, Reject, RetryLater
from .producer import Producer, QueueFull, UnknownOutcome, WrongType
from .scripts import ProtocolError

__all__ = [
    "Consumer", "Message", "Producer", "ProtocolError", "QueueFull", "Reject", "RetryLater", "UnknownOutcome", "WrongType",
]
