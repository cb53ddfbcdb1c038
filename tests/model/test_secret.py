"""Secrets that only the machine that runs infraci knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from infraci.model.secret import MissingSecretError, Secret, Value, reveal_all, secrets_among


def test_a_variable() -> None:
    assert Secret(variable="TOKEN").reveal({"TOKEN": "sesame"}) == "sesame"
    with pytest.raises(MissingSecretError, match="the environment variable TOKEN is not set"):
        Secret(variable="TOKEN").reveal({})


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("open sesame\n")
    monkeypatch.setenv("PLACE", str(tmp_path))
    assert Secret(file="$PLACE/secret").reveal() == "open sesame"
    with pytest.raises(MissingSecretError, match="nothing cannot be read: No such file") as caught:
        Secret(file=str(tmp_path / "nothing")).reveal()
    assert "on the machine that runs infraci" in (caught.value.hint or "")
    (tmp_path / "secret").write_bytes(b"\xff")
    with pytest.raises(MissingSecretError, match="it is no text"):
        Secret(file="$PLACE/secret").reveal()


def test_among_other_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "sesame")
    values: dict[str, Value] = {"A": "plain", "B": Secret(variable="TOKEN")}
    assert reveal_all(values) == {"A": "plain", "B": "sesame"}
    assert secrets_among([*values.values(), None]) == ["sesame"]
