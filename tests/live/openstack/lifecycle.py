"""The OpenStack comes up, goes down, and is forgotten."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.live.openstack import catalogue, guest, host, packages
from tests.live.openstack.place import ADDRESS, BrokenError, Place, say
from tests.live.openstack.processes import alive, forget_ended, start, stop, sweep, wait_for
from tests.live.openstack.rest import answers_at
from tests.live.openstack.services import (
    backends,
    cinder,
    glance,
    heat,
    keystone,
    libvirt,
    neutron,
    nova,
    placement,
)

_SERVICES = (keystone, placement, neutron, glance, nova, heat, cinder)
#: In the order in which they end: who has work to finish, before what it needs for that.
_FIRST = (
    "heat-all",
    "nova-compute",
    "nova-api",
    "nova-scheduler",
    "nova-conductor",
    "cinder-volume",
    "cinder-scheduler",
    "cinder-api",
    "neutron-metadata-agent",
    "neutron-l3-agent",
    "neutron-dhcp-agent",
    "neutron-linuxbridge-agent",
    "neutron-server",
    "glance-api",
    "placement",
    "keystone",
)
_LAST = (libvirt.LIBVIRTD, "rabbitmq", "epmd", "mariadb")
#: The APIs' ports.
_APIS = {"keystone": 5000, "placement": 8778, "glance-api": 9292, "nova-api": 8774}
_APIS |= {"neutron-server": 9696, "heat-all": 8004, "cinder-api": 8776}


def install(place: Place) -> None:
    """Packages and guest images, side by side as far as they can be."""
    if guest.is_built(place) and packages.are_installed(place):
        return
    packages.refresh_lists()
    packages.install_guest_tools()
    with ThreadPoolExecutor() as pool:
        _all(pool.submit(guest.build, place), pool.submit(packages.install, place))


def up(place: Place) -> None:
    """Bring it up, as far as it is not."""
    install(place)
    place.make()
    if is_up(place):
        say("it is up")
        return
    forget_ended(place)
    for part in (backends, libvirt, *_SERVICES):
        part.configure(place)
    catalogue.write_clouds_yaml(place)
    host.set_up(place)
    with ThreadPoolExecutor(max_workers=16) as pool:
        _all(pool.submit(_backends, place), pool.submit(_hypervisor, place))
        ready = place.data / "schemas-made"
        if not ready.exists():
            say("databases and accounts")
            _first_time(place, pool)
            ready.touch()
        say("services")
        for service in _SERVICES:
            for daemon in service.daemons(place):
                start(place, daemon)
        start(place, nova.compute(place))
        _all(*(pool.submit(_await_api, place, name) for name in _APIS))
    api = catalogue.administrator(place)
    say("images, networks, hosts")
    catalogue.make_resources(place, api)
    wait_for(place, "a host to run servers on", lambda: catalogue.has_host(api))
    wait_for(place, "Neutron's agents", lambda: catalogue.has_agents(api))
    _note(place).write_text(guest.recipe())
    say(f"up: OS_CLIENT_CONFIG_FILE={place.clouds_yaml} OS_CLOUD=live")


def down(place: Place) -> None:
    """Stop it; what it remembers stays."""
    place.make()
    _note(place).unlink(missing_ok=True)
    libvirt.end_guests(place)
    stop(place, _FIRST)
    stop(place, _LAST)
    sweep(place)
    host.tear_down(place)
    left = {kind: names for kind, names in host.leftovers().items() if names}
    if left:
        raise BrokenError(f"left on this machine: {left}")
    say("down")


def clean(place: Place) -> None:
    """Stop it and forget it; packages and guest images stay."""
    down(place)
    shutil.rmtree(place.state)
    say("clean")


def is_up(place: Place) -> bool:
    """Say whether all of it runs, with the guests of today."""
    note = _note(place)
    current = note.exists() and note.read_text() == guest.recipe()
    return current and all(state(place).values())


def _note(place: Place) -> Path:
    """Says of which guests all is there."""
    return place.run / "up"


def state(place: Place) -> dict[str, bool]:
    """Each process, and whether it runs."""
    return {name: alive(place, name) for name in (*_FIRST, *_LAST)}


def _backends(place: Place) -> None:
    for daemon in backends.messaging(place):
        start(place, daemon)
    backends.create_database_files(place)
    start(place, backends.database(place))
    backends.database_ready(place)


def _hypervisor(place: Place) -> None:
    for daemon in libvirt.daemons(place):
        start(place, daemon)
    libvirt.ready(place)


def _first_time(place: Place, pool: ThreadPoolExecutor) -> None:
    """Make tables and accounts, without which some services do not even start."""
    backends.create_databases(place, [name for s in _SERVICES for name in s.DATABASES])

    def in_turn(*makers: Callable[[Place], None]) -> None:
        for make in makers:
            make(place)

    # Of about the same length.
    _all(
        pool.submit(in_turn, neutron.create_schema, glance.create_schema),
        pool.submit(in_turn, keystone.create_schema, _accounts, heat.create_schema),
        pool.submit(in_turn, nova.create_schema),
        pool.submit(in_turn, cinder.create_schema, placement.create_schema),
    )


def _accounts(place: Place) -> None:
    for daemon in keystone.daemons(place):
        start(place, daemon)
    _await_api(place, "keystone")
    catalogue.make_accounts(place, catalogue.administrator(place))


def _await_api(place: Place, name: str) -> None:
    """Wait until an API answers."""

    def answers() -> bool:
        url = f"http://{ADDRESS}:{_APIS[name]}/"
        return answers_at(url)

    wait_for(place, name, answers)


def _all(*parts: Future[None]) -> None:
    for part in parts:
        part.result()
