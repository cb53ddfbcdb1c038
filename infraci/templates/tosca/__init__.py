"""TOSCA Simple Profile templates and CSAR archives, as what Heat is sent of them."""

from infraci.templates.tosca.archive import is_archive
from infraci.templates.tosca.definitions import is_definition
from infraci.templates.tosca.translate import Translation, translate

__all__ = ["Translation", "is_tosca", "translate"]


def is_tosca(content: bytes) -> bool:
    """Whether a file is for the translator, by what is in it."""
    return is_archive(content) or is_definition(content)
