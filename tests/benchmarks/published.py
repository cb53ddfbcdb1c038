"""Small collections of published templates, made up."""

from __future__ import annotations

from pathlib import Path

from benchmarks.published_templates.collection import Collection

HOT = "heat_template_version: 2018-08-31\n"


def collection(folder: Path, **files: str) -> Collection:
    """A collection of these files; in a name ``__`` stands for a slash, ``_yaml`` for its end."""
    root = folder / "OWNER+NAME"
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Collection.read(root)


def template(resources: str = "", parameters: str = "", more: str = "") -> str:
    """A template with these sections, which begin without indentation."""
    sections = {"parameters": parameters, "resources": resources}
    indented = (
        f"{title}:\n" + "".join(f"  {line}\n" for line in text.strip().splitlines())
        for title, text in sections.items()
        if text
    )
    return HOT + "".join(indented) + more
