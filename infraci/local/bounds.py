"""What keeps the engine from holding ever more: of each stack, Heat would keep something.

Import it after :mod:`infraci.local.engine` has chosen Heat's backend.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from heat.common import context
from heat.db import api as db_api
from heat.engine import service
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session, TCPKeepAliveAdapter

#: As many connections are kept for the next requests; those beyond are closed after one.
_CONNECTIONS = 32
#: For so long Heat can still be asked about a stack that was deleted.
_KEEP_DELETED_H = 24


class Threads(service.ThreadGroupManager):  # type: ignore[misc]
    """Heat's threads by stack, without those that have ended.

    Heat keeps them, and with each its stack, its context and that one's clients.
    """

    def __init__(self) -> None:
        super().__init__()
        self._starting = threading.Lock()

    def start(self, stack_id: str, func: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
        """Run a function in a thread of its own."""
        with self._starting:
            self._forget_ended()
            return super().start(stack_id, func, *args, **kwargs)

    def _forget_ended(self) -> None:
        with self._lock:
            for stack_id, group in list(self.groups.items()):
                group.threads = [thread for thread in group.threads if thread.is_alive()]
                if not group.threads and not group.timers:
                    del self.groups[stack_id]


def share_session(auth: BaseAuthPlugin) -> None:
    """Have all of Heat's contexts ask by one session, as one user.

    Each would open connections of its own, and leave them to the garbage collector.
    """
    session = Session(auth=auth, connect_retries=2)
    session.mount("http://", TCPKeepAliveAdapter(pool_maxsize=_CONNECTIONS))
    context.RequestContext.auth_plugin = property(lambda _: auth)
    context.RequestContext.keystone_session = property(lambda _: session)


def purge_deleted() -> None:
    """Remove what Heat's database keeps of stacks that were deleted a day ago or earlier."""
    db_api.purge_deleted(_KEEP_DELETED_H, granularity="hours")
