"""Builds the request for a stack: its template, environments, files and parameters' values."""

from infraci.templates.cloud_names import with_names
from infraci.templates.host_keys import host_key_placeholder, with_host_key
from infraci.templates.nested import nested_templates, registry, resolve
from infraci.templates.request import MisfitError, load_request, load_stack
from infraci.templates.saved_request import save_request, show_template
from infraci.templates.stack_request import (
    StackRequest,
    is_hidden,
    secrets_of,
    template_parameters,
    values_given,
    with_key_pair,
)

__all__ = [
    "MisfitError",
    "StackRequest",
    "host_key_placeholder",
    "is_hidden",
    "load_request",
    "load_stack",
    "nested_templates",
    "registry",
    "resolve",
    "save_request",
    "secrets_of",
    "show_template",
    "template_parameters",
    "values_given",
    "with_host_key",
    "with_key_pair",
    "with_names",
]
