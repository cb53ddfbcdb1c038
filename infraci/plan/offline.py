"""A cloud that a plan does not ask: Heat's engine on this machine validates in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from infraci.heat.objects import PreviewResource, StackPreview
from infraci.heat.stacks import Request
from infraci.model.catalog import Catalog

#: What has to be on the cloud already, by the types and properties that name it.
_NAMES: Mapping[str, Mapping[str, str]] = {
    "OS::Nova::Server": {"image": "image", "flavor": "flavor", "key_name": "key pair"},
    "AWS::EC2::Instance": {"ImageId": "image", "InstanceType": "flavor", "KeyName": "key pair"},
    "OS::Cinder::Volume": {"image": "image"},
    "OS::Trove::Instance": {"flavor": "flavor"},
    "OS::Neutron::FloatingIP": {"floating_network": "network"},
    "OS::Neutron::Port": {"network": "network"},
    "OS::Neutron::Subnet": {"network": "network"},
    "OS::Neutron::RouterInterface": {"router": "router", "subnet": "subnet"},
}
#: The same within lists and mappings of properties.
_INNER: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "OS::Nova::Server": {
        "networks": {"network": "network", "subnet": "subnet"},
        "block_device_mapping_v2": {"image": "image"},
    },
    "OS::Neutron::Router": {"external_gateway_info": {"network": "network"}},
}


class Validator(Protocol):
    """Heat that knows no cloud: it takes each name for one that the cloud has."""

    def preview(self, request: Request, *, name: str) -> StackPreview: ...  # noqa: D102

    def updatable(self, resource_type: str) -> Mapping[str, bool]: ...  # noqa: D102

    def is_retired(self, resource_type: str) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineCloud:
    """Stands for a cloud of clouds.yaml that only ``--online`` asks.

    ``stand_in`` tells what a TOSCA template chooses its flavors and images from, in place of the
    cloud's own.
    """

    name: str
    heat: Validator
    stand_in: Callable[[], Catalog]

    def preview(self, request: Request, *, name: str) -> StackPreview:
        """What Heat would make of a request if the cloud has all that it names."""
        return self.heat.preview(request, name=name)

    def names(self, kind: str) -> Sequence[str]:
        """None: only the cloud knows its names."""
        return ()

    def updatable(self, resource_type: str) -> Mapping[str, bool]:
        """A type's properties, and whether Heat changes each in place."""
        return self.heat.updatable(resource_type)

    def is_retired(self, resource_type: str) -> bool:
        """Whether Heat keeps a type only as a placeholder."""
        return self.heat.is_retired(resource_type)

    def default_rules(self) -> None:
        """Unknown: a project has its own in the security group `default`."""
        return

    def catalog(self) -> Catalog:
        """The flavors and images for servers, as far as they are known without the cloud."""
        return self.stand_in()

    def notices(self, preview: StackPreview | None, *, stack: str) -> Iterator[str]:
        """What a plan without the cloud cannot know; ``stack`` is the name of its stack."""
        asks = "`infraci plan --online` asks it, and makes nothing"
        yield f"cloud {self.name} was not asked: {asks}"
        if preview is not None and (needed := ", ".join(_needed(preview, stack))):
            yield f"a run needs on cloud {self.name}: {needed}"


def _needed(preview: StackPreview, stack: str) -> list[str]:
    """What the stack names and does not make, each once: ``image "debian-12"``."""
    resources = tuple(preview.walk())
    made = {resource.name for resource in resources} | {stack}
    named = {pair: None for resource in resources for pair in _named(resource)}
    return [f'{kind} "{name}"' for kind, name in sorted(named) if name not in made]


def _named(resource: PreviewResource) -> Iterator[tuple[str, str]]:
    for key, kind in _NAMES.get(resource.type, {}).items():
        yield from _pair(kind, resource.properties.get(key))
    for key, keys in _INNER.get(resource.type, {}).items():
        value = resource.properties.get(key)
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, Mapping):
                for inner, kind in keys.items():
                    yield from _pair(kind, entry.get(inner))


def _pair(kind: str, value: object) -> Iterator[tuple[str, str]]:
    """The thing that a property names; what the stack makes itself has no name yet."""
    if value and isinstance(value, str):
        yield kind, value
