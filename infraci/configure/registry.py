"""The driver of each kind of configure step."""

from __future__ import annotations

from typing import assert_never

from infraci.configure.ansible import Ansible
from infraci.configure.chef import Chef
from infraci.configure.cloud_init import CloudInit
from infraci.configure.puppet import Puppet
from infraci.configure.script import Script
from infraci.configure.step import Step
from infraci.model.configure_steps import (
    AnsibleStep,
    ChefStep,
    CloudInitStep,
    ConfigureStep,
    PuppetStep,
    ScriptStep,
)


def driver_of(options: ConfigureStep) -> Step:
    """The driver of a configure step. mypy holds that each kind of options has one."""
    match options:
        case CloudInitStep():
            return CloudInit(options)
        case ScriptStep():
            return Script(options)
        case AnsibleStep():
            return Ansible(options)
        case PuppetStep():
            return Puppet(options)
        case ChefStep():
            return Chef(options)
    assert_never(options)
