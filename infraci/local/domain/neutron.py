"""What the rules for all of Neutron's nouns share: whether a noun is there, and is still in use."""

from __future__ import annotations

from collections.abc import Collection

from infraci.local.domain.records import AnyNeutronRecord, NeutronRecord, Port
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError

#: Owners of ports that Neutron makes itself.
ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
#: Neutron guards no port whose owner begins so.
TRUSTED = "network:"


class Neutron:
    """Neutron's records in the store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def require(self, kind: type[AnyNeutronRecord], id_: str) -> AnyNeutronRecord:
        """A record; raises NotFoundError when it is not there."""
        record = self.store.get(kind, id_)
        if record is None:
            raise NotFoundError.of(kind.noun, id_)
        return record

    def refuse_in_use(self, record: NeutronRecord, users: Collection[Port]) -> None:
        """Raise ConflictError when ports still use what is to be removed."""
        if users:
            raise ConflictError(
                f"Unable to complete operation on {record.noun.lower()} {record.id}:"
                f" {len(users)} port(s) still use it.",
                neutron_type=f"{record.noun}InUse",
            )


def invalid_input(reason: str, neutron_type: str = "InvalidInput") -> InvalidRequestError:
    """The error with which Neutron refuses values that do not fit together."""
    return InvalidRequestError(f"Invalid input for operation: {reason}.", neutron_type=neutron_type)


def bad_request(noun: str, reason: str) -> InvalidRequestError:
    """The error with which Neutron refuses what cannot be done to a noun."""
    return InvalidRequestError(f"Bad {noun} request: {reason}.", neutron_type="BadRequest")
