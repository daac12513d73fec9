"""Notifications that have not been delivered yet: a queue for each receiver, de-duplicated, retried with growing pauses.

Pure: time and sending are handed in, and the state goes to text and back, so that a crash at any point leaves a state from which
everything is delivered, at least once. What does not belong here: HTTP (receivers.py) and where the text is kept (sensor.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ecommerce_platform.operations.notifications.message import Notification

#: Pauses after the first, second … failure in a row of one receiver; the last one stays.
PAUSES_SECONDS = (30.0, 60.0, 120.0, 300.0, 900.0)
#: A receiver that answers and does not want a message is asked so often, over hours; then the message leaves its queue.
MAX_REJECTIONS = 12
_VERSION = 1
#: The name in the records of every release; another one would send old messages again.
_STORED_ANNOUNCED = "told"


class UnavailableError(RuntimeError):
    """The receiver did not take anything: it is away, too slow, or in trouble."""


class RejectedError(RuntimeError):
    """The receiver is there and does not take this message."""


Send = Callable[[str, Notification], None]


@dataclass
class Queue:
    """One receiver's messages in order, how often it failed in a row, and when it is asked again."""

    keys: list[str] = field(default_factory=list)
    failures: int = 0
    not_before: float = 0.0
    rejections: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """What one round of deliveries did, in words for a log that hold no address."""

    delivered: int
    remarks: tuple[str, ...]


@dataclass
class Outbox:
    """Messages by key, the receivers' queues, and what was sent when (for de-duplication)."""

    messages: dict[str, Notification] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    announced: dict[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """Messages that some receiver still has to get."""
        return len(self.messages)

    def add(self, notification: Notification, receivers: Iterable[str], now: float, repeat_after: float) -> bool:
        """Puts the news into every receiver's queue, unless it waits there already or was sent within `repeat_after` seconds."""
        self.announced = {key: entry for key, entry in self.announced.items() if now - entry[0] < repeat_after}
        if notification.key in self.announced or notification.key in self.messages:
            return False
        self.announced[notification.key] = (now, notification.scope)
        names = list(receivers)
        if names:
            self.messages[notification.key] = notification
        for name in names:
            self.queues.setdefault(name, Queue()).keys.append(notification.key)
        return True

    def over(self, scope: str) -> None:
        """The trouble of `scope` is over: should it come back, it is reported again."""
        self.announced = {key: entry for key, entry in self.announced.items() if entry[1] != scope}

    def deliver(
        self, send: Send, clock: Callable[[], float], deadline: float, saved: Callable[[], None] = lambda: None
    ) -> Delivery:
        """Sends what is due until `deadline`; `saved` is called after each message that a receiver took.

        One that is away costs one attempt and is left alone for a while; the others get theirs meanwhile.
        """
        delivered, remarks = 0, []
        for name, queue in self.queues.items():
            if queue.not_before > clock():
                continue
            for key in list(queue.keys):
                if clock() >= deadline:
                    break
                try:
                    send(name, self.messages[key])
                except UnavailableError as error:
                    queue.failures += 1
                    pause = PAUSES_SECONDS[min(queue.failures, len(PAUSES_SECONDS)) - 1]
                    queue.not_before = clock() + pause
                    remarks.append(f"{name}: {error}; {len(queue.keys)} wait, tried again in {pause:g} s")
                    break
                except RejectedError as error:
                    remarks.append(f"{name}: {error}")
                    self._rejected(queue, key, clock())
                    continue
                queue.failures, queue.not_before = 0, 0.0
                self._done(queue, key)
                delivered += 1
                saved()
        return Delivery(delivered, tuple(remarks))

    def _rejected(self, queue: Queue, key: str, now: float) -> None:
        """It stays and is tried again later, so that a receiver that was set up wrongly loses nothing; but not forever."""
        queue.rejections[key] = queue.rejections.get(key, 0) + 1
        queue.not_before = now + PAUSES_SECONDS[min(queue.rejections[key], len(PAUSES_SECONDS)) - 1]
        if queue.rejections[key] >= MAX_REJECTIONS:
            self._done(queue, key)

    def _done(self, queue: Queue, key: str) -> None:
        queue.keys.remove(key)
        queue.rejections.pop(key, None)
        if not any(key in other.keys for other in self.queues.values()):
            del self.messages[key]

    def keep_receivers(self, names: Iterable[str]) -> None:
        """Forgets receivers that are no longer set; those that are new get what comes from now on."""
        known = set(names)
        for name in [name for name in self.queues if name not in known]:
            queue = self.queues[name]
            for key in list(queue.keys):
                self._done(queue, key)
            del self.queues[name]

    def to_record(self) -> dict[str, object]:
        return {
            "version": _VERSION,
            "messages": [message.to_record() for message in self.messages.values()],
            "queues": {name: vars(queue) for name, queue in self.queues.items()},
            _STORED_ANNOUNCED: self.announced,
        }

    @classmethod
    def from_record(cls, record: dict[str, object]) -> Outbox:
        """The outbox of `to_record`; one of another version is empty."""
        if record.get("version") != _VERSION:
            return cls()
        content = json.loads(json.dumps(record))
        messages = [Notification.from_record(item) for item in content["messages"]]
        return cls(
            messages={message.key: message for message in messages},
            queues={name: Queue(**fields) for name, fields in content["queues"].items()},
            announced={key: (at, scope) for key, (at, scope) in content[_STORED_ANNOUNCED].items()},
        )
