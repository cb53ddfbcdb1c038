"""Secrets: values that are in no file of the repository, but on the machine that runs infraci."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from infraci.base.mask import hidden
from infraci.base.trust import is_untrusted
from infraci.errors import ConfigureError
from infraci.model.fields import read_text, read_variable_name, unexpected

_FORMS = "{from: VARIABLE} or {file: PATH}"


class MissingSecretError(ConfigureError):
    """This machine lacks a secret; no commit is to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A value of an environment variable, or of a file, of the machine that runs infraci."""

    variable: str = ""
    file: str = ""  # may hold ~ and $VARIABLES

    def reveal(self, environment: Mapping[str, str] = os.environ) -> str:
        """The value, masked from now on; a file's without the newline at its end.

        Raises MissingSecretError; for an untrusted commit always.
        """
        if is_untrusted():
            raise MissingSecretError(
                f"cannot configure servers: {self.variable or self.file} is a secret, and the"
                " commit is not trusted",
                hint="a maintainer who has read the commit can run it without --untrusted",
            )
        if self.variable:
            if self.variable not in environment:
                raise MissingSecretError(
                    f"cannot configure servers: the environment variable {self.variable} is not"
                    " set",
                    hint="the pipeline takes a secret from it (from:); set it where infraci runs",
                )
            return hidden(environment[self.variable])
        path = Path(os.path.expandvars(self.file)).expanduser()
        try:
            return hidden(path.read_text().removesuffix("\n"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise MissingSecretError(
                f"cannot configure servers: the secret in {path} cannot be read: {reason}",
                hint="the pipeline takes it from there (file:), on the machine that runs infraci",
            ) from error


#: What the pipeline file has for a value that may be a secret.
Value: TypeAlias = "str | Secret"


def reveal_all(values: Mapping[str, Value]) -> dict[str, str]:
    """The values themselves. Raises MissingSecretError."""
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in values.items()
    }


def secrets_among(values: Iterable[object]) -> list[str]:
    """The secrets among some values, revealed. Raises MissingSecretError."""
    return [value.reveal() for value in values if isinstance(value, Secret)]


def _read_secret(value: object) -> Secret:
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= {"from", "file"}:
        raise unexpected(_FORMS, value)
    ((form, text),) = value.items()
    if form == "from":
        return Secret(variable=read_variable_name(text))
    if not read_text(text):
        raise unexpected("a file's path", text, at="file")
    return Secret(file=read_text(text))


def _read_value(value: object) -> Value:
    return _read_secret(value) if isinstance(value, dict) else read_text(value)


_SECRET_SCHEMA = {
    "type": "object",
    "properties": {
        "from": {
            "title": "From",
            "description": "The environment variable that holds it where infraci runs.",
            "type": "string",
            "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
        },
        "file": {
            "title": "File",
            "description": "The file that holds it where infraci runs.",
            "type": "string",
            "minLength": 1,
        },
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}

SecretValue = Annotated[Secret, BeforeValidator(_read_secret), WithJsonSchema(_SECRET_SCHEMA)]
TextOrSecret = Annotated[
    str | Secret,
    BeforeValidator(_read_value),
    WithJsonSchema({"anyOf": [{"type": ["string", "number", "boolean"]}, _SECRET_SCHEMA]}),
]
