"""The flavors of the embedded cloud: the sizes that every OpenStack has, and plain names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A size of server: CPUs and memory become limits of its container where the machine can."""

    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int

    @property
    def id(self) -> str:
        """Flavors are known by their names."""
        return self.name


FLAVORS: dict[str, Flavor] = {
    name: Flavor(name=name, vcpus=vcpus, ram_mb=ram_mb, disk_gb=disk_gb)
    for name, vcpus, ram_mb, disk_gb in (
        ("m1.nano", 1, 256, 1),
        ("m1.micro", 1, 384, 2),
        ("m1.tiny", 1, 512, 5),
        ("m1.small", 1, 2048, 20),
        ("m1.medium", 2, 4096, 40),
        ("m1.large", 4, 8192, 80),
        ("m1.xlarge", 8, 16384, 160),
        ("tiny", 1, 512, 5),
        ("small", 1, 1024, 10),
        ("medium", 2, 4096, 40),
        ("large", 4, 8192, 80),
    )
}
