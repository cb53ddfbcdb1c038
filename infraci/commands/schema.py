"""``infraci schema``: the JSON Schemas of our files."""

from __future__ import annotations

import click

from infraci.base.terminal import say_json


@click.command("schema", short_help="Print the JSON Schema of pipeline files.")
@click.option("--project", is_flag=True, help="That of infraci.yaml instead.")
def command(project: bool) -> None:
    """Print the JSON Schema of pipeline files, for editors."""
    from infraci.model.json_schema import json_schema, project_schema

    say_json(project_schema() if project else json_schema())
