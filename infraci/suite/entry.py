"""The entry point: options, marker and fixtures, which import nothing until a stack is asked for.

Every pytest of the machine loads it, also those in which infraci itself runs specs; so it imports
little, and does nothing unless a stack is asked for.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import pytest

#: The name under which :mod:`infraci.verify.hosts` is registered as a plugin.
_HOSTS = "infraci-hosts"
_MARKER = "infraci"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a stack be asked for."""
    group = parser.getgroup("infraci", "servers of a Heat stack that is stood up for the tests")
    group.addoption(
        "--infraci",
        metavar="PIPELINE",
        help="stand up the stack of pipelines/PIPELINE.yaml, configure its servers, run the tests "
        "against them, and tear it down",
    )
    group.addoption(
        "--infraci-cloud",
        metavar="NAME",
        help='a cloud of clouds.yaml; "local", the default, is the embedded one',
    )
    group.addoption(
        "--infraci-run",
        metavar="RUN",
        help="take the stack of a run that stands (`infraci list`), and leave it standing",
    )
    group.addoption("--infraci-keep", action="store_true", help="leave standing what is stood up")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Keep apart the modules of folders that a pipeline has for different roles."""
    options = early_config.known_args_namespace
    if options.infraci or options.infraci_run:
        from infraci.verify.modules import keep_apart

        keep_apart(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Begin, if a stack is asked for."""
    config.addinivalue_line(
        "markers",
        "infraci(role, server, stack, scope): the servers that a test is for, by role or by name "
        '(patterns), and the pipeline of a stack of its module\'s own, for the scope "module" or '
        '"session"',
    )
    is_worker_of_one = getattr(config, "workerinput", {}).get("infraci_plan")
    if config.getoption("infraci") or config.getoption("infraci_run") or is_worker_of_one:
        _begin(config)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> None:
    """Begin when a module asks for a stack of its own; markers are known only now."""
    own = obj.__dict__.get("pytestmark") if isinstance(obj, type | FunctionType) else None
    marks = [*collector.own_markers, *(own if isinstance(own, list) else ())]
    if any(mark.name == _MARKER and "stack" in mark.kwargs for mark in marks):
        _begin(collector.config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker of pytest-xdist the address of the broker."""
    from infraci.suite import xdist_broker

    xdist_broker.add_worker(node, _controller_of)


@pytest.fixture(scope="module")
def infraci_stack(request: pytest.FixtureRequest) -> Any:
    """The stack that stands: ``outputs``, ``resources``, ``servers``, ``run``, ``cloud``, ``name``.

    Outputs are as Heat has them, hidden ones masked. Resources are found by path
    ("app_servers.0") and have a ``type``, a ``status`` and a ``physical_id``.
    """
    return _plugin(request).stack_of(request.node).stack()


@pytest.fixture(scope="module")
def infraci_cloud(request: pytest.FixtureRequest) -> Any:
    """The connection of openstacksdk to the stack's cloud."""
    from infraci.verify.cloud_access import connect

    with connect(_plugin(request).stack_of(request.node).stack()) as connection:
        yield connection


@pytest.fixture
def infraci_servers(request: pytest.FixtureRequest) -> Any:
    """The servers that the test is for; each has a ``name``, ``role``, ``address``, ``user``."""
    return _plugin(request).servers_of(request.node)


@pytest.fixture(scope="module")
def infraci_server(request: pytest.FixtureRequest, _testinfra_host: Any) -> Any:
    """The server that ``host`` looks at; see ``infraci_servers`` for what it has."""
    _plugin(request)
    return _testinfra_host.backend.handle.server


def _plugin(request: pytest.FixtureRequest) -> Any:
    """The plugin that has the stacks; fails the test if it has none for it."""
    plugin = request.config.pluginmanager.get_plugin(_HOSTS)
    if plugin is None or plugin.stack_of(request.node) is None:
        pytest.fail(
            f"{request.fixturename} needs a stack: pytest --infraci PIPELINE, or for the module "
            'alone pytestmark = pytest.mark.infraci(stack="PIPELINE")',
            pytrace=False,
        )
    return plugin


def _controller_of(config: pytest.Config) -> Any:
    from infraci.suite.pytest_controller import controller_of

    return controller_of(config)


def _begin(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin(_HOSTS):
        from infraci.suite.suite_stacks import begin

        begin(config)
