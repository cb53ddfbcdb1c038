"""openstacksdk imported without its proxies, each time in a Python of its own."""

from __future__ import annotations

import subprocess
import sys


def output_of(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"from infraci.heat.sdk import import_sdk\n{script}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_configuration_is_there_and_its_proxies_are_not() -> None:
    output = output_of(
        "import_sdk()\n"
        "import sys\n"
        "from openstack.config import OpenStackConfig\n"
        "print(OpenStackConfig.__name__)\n"
        "print([name for name in sys.modules if name.endswith('_proxy')])\n"
    )
    assert output.splitlines() == ["OpenStackConfig", "[]"]


def test_whoever_wants_the_proxies_has_them() -> None:
    output = output_of(
        "import_sdk()\n"
        "import openstack.connection\n"
        "print(openstack.connection.Connection.__mro__[-1].__name__)\n"
    )
    assert output == "object\n"


def test_a_release_that_needs_them_gets_them() -> None:
    output = output_of(
        "import infraci.heat.sdk as sdk\n"
        "sdk._Nothing.exec_module = lambda self, module: None\n"  # nothing for the annotation
        "import_sdk()\n"
        "from openstack.config import OpenStackConfig\n"
        "import openstack.connection\n"
        "print(openstack.connection.Connection is not None, OpenStackConfig.__name__)\n"
    )
    assert output == "True OpenStackConfig\n"
