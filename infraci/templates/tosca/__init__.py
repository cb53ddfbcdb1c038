"""Turns TOSCA Simple Profile templates and CSAR archives into HOT templates for Heat."""

from infraci.templates.tosca.archive import is_archive
from infraci.templates.tosca.definitions import is_definition
from infraci.templates.tosca.translate import Translation, translate

__all__ = ["Translation", "is_tosca", "translate"]


def is_tosca(content: bytes) -> bool:
    """Whether a file's content is TOSCA: an archive, or a definition."""
    return is_archive(content) or is_definition(content)
