"""Which user data has a server boot with Heat's agents."""

from __future__ import annotations

import json
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from infraci.local.domain.agents import image_to_boot

METADATA = json.dumps({"os-collect-config": {"cfn": {"path": "web.Metadata"}}})


def user_data(text: str, name: str, charset: str = "us-ascii") -> bytes:
    """A part among others, as Heat writes them."""
    whole = MIMEMultipart()
    for content, filename in (("#!/bin/sh\n", "boothook.sh"), (text, name)):
        part = MIMEText(content, _subtype="x-cfninitdata", _charset=charset)
        part.add_header("Content-Disposition", "attachment", filename=filename)
        whole.attach(part)
    return whole.as_bytes()


@pytest.mark.parametrize("charset", ["us-ascii", "utf-8"])
def test_metadata_for_an_agent(charset: str) -> None:
    assert image_to_boot("debian-12", user_data(METADATA, "cfn-init-data", charset)) == (
        "debian-12-agents"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#cloud-config\n# cfn-init-data: os-collect-config\n",
        user_data(METADATA, "other"),
        user_data('{"AWS::CloudFormation::Init": {}}', "cfn-init-data"),
        user_data('["os-collect-config"]', "cfn-init-data"),
        user_data("os-collect-config cfn-init-data", "cfn-init-data"),
        user_data("[" * 100_000, "cfn-init-data"),
        b"Content-Type: multipart/mixed\n\ncfn-init-data\xff",
    ],
)
def test_any_other_user_data(data: bytes) -> None:
    assert image_to_boot("debian-12", data) == "debian-12"
