"""Small trees for tests, and the text of a good pipeline."""

from __future__ import annotations

from pathlib import Path

MINIMAL = "stack: {template: stacks/web.yaml}\nspecs: {all: [specs/common]}\n"

FULL = """\
description: A web server that answers
voting: false
destroy: passing
expires: 2h
timeouts: {provision: 15m, configure: 90, verify: "90s", destroy: 1h30m}
stack:
  template: stacks/web.yaml
  environments: [stacks/env/small.yaml]
  parameters: {image: debian-12, version: 1.10, nodes: [a, 2], enabled: true}
  files: {motd: scripts/setup.sh}
  key_parameter: key
servers:
  user: debian
  role_metadata: tier
  roles:
    web: {names: ["*-web-*", "web?"], user: admin}
    db: {}
configure:
  - cloud-init
  - cloud-init: {timeout: 3m}
  - script: scripts/setup.sh
  - script:
      path: scripts/setup.sh
      roles: [web]
      environment: {DEBUG: yes, PORT: 0080, RATE: 1.10, FLAG: true, CLOCK: 1:30}
      arguments: [--port, 80, on]
      timeout: 2m
      sudo: false
specs:
  all: [specs/common]
  web: [specs/web/test_http.py, specs/common]
upgrade: {from: 1.10, no_replace: [db, "web.*"]}
"""


def make_tree(root: Path) -> Path:
    """A tree with every file that the pipelines above name."""
    write(root, "stacks/web.yaml", "heat_template_version: 2021-04-16\n")
    write(root, "stacks/env/small.yaml", "parameters: {}\n")
    write(root, "scripts/setup.sh", "#!/bin/sh\n")
    write(root, "specs/common/test_common.py", "")
    write(root, "specs/web/test_http.py", "")
    return root


def write(root: Path, name: str, content: str | bytes) -> Path:
    """A file of a tree."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
