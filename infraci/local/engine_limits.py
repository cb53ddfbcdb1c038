"""Keeps the memory and the database of Heat's engine small: it would keep something of each stack.

Import it after :mod:`infraci.local.engine` has chosen Heat's backend.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from heat.common import context
from heat.db import api as db_api
from heat.engine import service
from heat.engine.stack_lock import StackLock
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session, TCPKeepAliveAdapter

#: As many connections are kept for the next requests; those beyond are closed after one.
_CONNECTIONS = 32
#: For so long Heat can still be asked about a stack that was deleted.
_KEEP_DELETED_H = 24
#: A thread that is to end does so within this time, or it hangs.
_STOP_S = 10.0


class Threads(service.ThreadGroupManager):  # type: ignore[misc]
    """Heat's threads by stack, without those that have ended.

    Heat keeps them, and with each its stack, its context and that one's clients.
    """

    def __init__(self) -> None:
        super().__init__()
        #: Names this engine in the locks of stacks in Heat's database.
        self.engine_id = ""
        self._starting = threading.Lock()

    def start(self, stack_id: str, func: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
        """Run a function in a thread of its own."""
        with self._starting:
            self._forget_ended()
            return super().start(stack_id, func, *args, **kwargs)

    def stop(self, stack_id: str, graceful: bool = False) -> None:
        """Wait for a stack's threads, within a limit; if they have ended, unlock the stack.

        Heat's own waits without one, and for the thread that calls it as well, which fails: then a
        stack whose thread has died, and left it locked, could never be deleted.
        """
        with self._lock:
            self.msg_queues.pop(stack_id, None)
            group = self.groups.pop(stack_id, None)
        if group is None:
            return
        group.stop_timers()
        others = [thread for thread in group.threads if thread is not threading.current_thread()]
        ends = time.monotonic() + _STOP_S
        for thread in others:
            thread.join(max(0.0, ends - time.monotonic()))
        if not any(thread.is_alive() for thread in others):
            StackLock(context.get_admin_context(), stack_id, self.engine_id).release()

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
