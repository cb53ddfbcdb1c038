"""What Heat is sent: a template, its environments and files, and the parameters' values."""

from infraci.templates.host_keys import with_host_key
from infraci.templates.names import with_names
from infraci.templates.request import (
    StackRequest,
    load_stack,
    template_parameters,
    with_key_pair,
)

__all__ = [
    "StackRequest",
    "load_stack",
    "template_parameters",
    "with_host_key",
    "with_key_pair",
    "with_names",
]
