"""Calls between Heat's API and its engine, within this process and without delay.

oslo.messaging has a driver that keeps messages in memory, but its listeners look for them twenty
times a second, so that each call costs 50 ms. Here they are woken.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from oslo_messaging._drivers import base, impl_fake

#: What Heat is to be given as its transport; pyproject.toml names the driver to oslo.messaging.
TRANSPORT_URL = "infraci:///"


class Exchange(impl_fake.FakeExchange):  # type: ignore[misc]
    """An exchange that tells its listeners when a message has come."""

    def __init__(self, name: str, arrived: threading.Condition) -> None:
        super().__init__(name)
        self._arrived = arrived

    def deliver_message(self, *arguments: Any, **options: Any) -> None:
        """Put a message into its queues, and wake the listeners."""
        super().deliver_message(*arguments, **options)
        with self._arrived:
            self._arrived.notify_all()


class ExchangeManager(impl_fake.FakeExchangeManager):  # type: ignore[misc]
    """The exchanges of one driver."""

    def __init__(self, default_exchange: str) -> None:
        super().__init__(default_exchange)
        self.arrived = threading.Condition()
        self._exchanges: dict[str, Exchange] = {}

    def get_exchange(self, name: str | None) -> Exchange:
        """Return the exchange of that name, a new one if need be."""
        name = name or self._default_exchange
        with self._exchanges_lock:
            if name not in self._exchanges:
                self._exchanges[name] = Exchange(name, self.arrived)
            return self._exchanges[name]


class Listener(impl_fake.FakeListener):  # type: ignore[misc]
    """Waits for messages, and wakes as soon as one comes."""

    @base.batch_poll_helper  # type: ignore[untyped-decorator]
    def poll(self, timeout: float | None = None) -> impl_fake.FakeIncomingMessage | None:
        """Return the next message, or None after ``timeout`` seconds or when stopped."""
        deadline = None if timeout is None else time.monotonic() + timeout
        arrived = self._exchange_manager.arrived
        with arrived:
            while not self._stopped.is_set():
                message = self._next()
                if message is not None:
                    return message
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return None
                arrived.wait(left)
        return None

    def _next(self) -> impl_fake.FakeIncomingMessage | None:
        for target in self._targets:
            exchange = self._exchange_manager.get_exchange(target.exchange)
            context, message, replies, requeue = exchange.poll(target, self._pool)
            if message is not None:
                return impl_fake.FakeIncomingMessage(context, message, replies, requeue)
        return None

    def stop(self) -> None:
        """Make :meth:`poll` return."""
        super().stop()
        with self._exchange_manager.arrived:
            self._exchange_manager.arrived.notify_all()


class Driver(impl_fake.FakeDriver):  # type: ignore[misc]
    """The driver of ``infraci:///``."""

    def __init__(
        self,
        conf: object,
        url: object,
        default_exchange: str | None = None,
        allowed_remote_exmods: object = None,
    ) -> None:
        super().__init__(conf, url, default_exchange, allowed_remote_exmods)
        self._exchange_manager = ExchangeManager(default_exchange or "heat")

    def listen(self, target: Any, batch_size: int, batch_timeout: float | None) -> Any:
        """Listen for calls."""
        targets = [target(server=None), target(server=target.server)]
        return self._adapter(targets, None, batch_size, batch_timeout)

    def listen_for_notifications(
        self,
        targets_and_priorities: Any,
        pool: Any,
        batch_size: int,
        batch_timeout: float | None,
    ) -> Any:
        """Listen for notifications."""
        targets = [
            target(topic=f"{target.topic}.{priority}")
            for target, priority in targets_and_priorities
        ]
        return self._adapter(targets, pool, batch_size, batch_timeout)

    def _adapter(
        self, targets: list[Any], pool: Any, batch_size: int, batch_timeout: float | None
    ) -> Any:
        listener = Listener(self._exchange_manager, targets, pool)
        return base.PollStyleListenerAdapter(listener, batch_size, batch_timeout)
