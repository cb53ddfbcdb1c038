"""Removing what a run has made, from its record alone: the pipeline's files may be gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from infraci.deadline import Deadline
from infraci.heat import OnEvent
from infraci.ledger import Ledger
from infraci.model.run import RunRecord
from infraci.progress import Progress

#: Longer than any pipeline's own limit needs to be; Ctrl-C ends it.
DESTROY_S = 900.0


class Remover(Protocol):
    """What removing asks of a cloud."""

    def delete_stack(  # noqa: D102
        self, name_or_id: str, *, deadline: Deadline, on_event: OnEvent | None
    ) -> None: ...

    def delete_keypair(self, name: str) -> None: ...  # noqa: D102


def remove_run(record: RunRecord, *, cloud: Remover, ledger: Ledger, progress: Progress) -> None:
    """Delete a run's stack and key pair, and write down that they are gone.

    The stack is looked for by its name as well: it may have come after its run's end.
    """
    deadline = Deadline(DESTROY_S, phase=f"destroying {record.id}")
    for known in dict.fromkeys(filter(None, (record.stack_id, record.stack_name))):
        cloud.delete_stack(known, deadline=deadline, on_event=progress.event)
    cloud.delete_keypair(record.stack_name)
    ledger.update(replace(record, destroyed=True))
