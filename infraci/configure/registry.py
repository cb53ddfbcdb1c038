"""The drivers, by the options that the pipeline file has for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
    PuppetStep,
    ScriptStep,
)

DRIVERS: Mapping[type, Callable[[Any], Step]] = {
    CloudInitStep: CloudInit,
    ScriptStep: Script,
    AnsibleStep: Ansible,
    PuppetStep: Puppet,
    ChefStep: Chef,
}
