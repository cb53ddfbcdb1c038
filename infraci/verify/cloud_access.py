"""The cloud as specs see it: openstacksdk's connection, for those of a trusted commit."""

from __future__ import annotations

from typing import Any

from infraci.base.trust import is_untrusted
from infraci.errors import UsageError
from infraci.heat.openstack_connection import open_sdk
from infraci.verify.stack_view import Stack


def connect(stack: Stack) -> Any:
    """Return a connection to the cloud of a stack; it logs in when it is first used.

    Raises UsageError in a run of an untrusted commit, and where the cloud is not described.
    """
    if is_untrusted():
        raise UsageError(
            f"cannot connect to cloud {stack.cloud}: the specs of an untrusted commit have no "
            "access to it",
            hint="infraci_stack has the stack's outputs and resources",
        )
    return open_sdk(stack.cloud, stack.clouds_yaml)
