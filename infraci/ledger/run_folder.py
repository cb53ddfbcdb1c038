"""The layout of ``.infraci/runs/ID/``: this module alone knows the names of a run's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infraci.model.run import Round

_EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run. Its files need not exist."""

    path: Path

    @property
    def record(self) -> Path:
        """The run's record."""
        return self.path / "run.json"

    @property
    def lock(self) -> Path:
        """The file that the process at work on the run holds locked."""
        return self.path / "lock"

    @property
    def destroyed_mark(self) -> Path:
        """The empty file that says that the run is destroyed, where its record could not."""
        return self.path / "destroyed"

    @property
    def login_key(self) -> Path:
        """The private half of the key pair that logs in to the run's servers."""
        return self.path / "id_ed25519"

    @property
    def host_key(self) -> Path:
        """The private half of the host key that is injected into the run's servers."""
        return self.path / "host_key"

    @property
    def ssh_config(self) -> Path:
        """The configuration with which any ssh program logs in to the run's servers."""
        return self.path / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The host keys of the run's servers."""
        return self.path / "known_hosts"

    @property
    def stack(self) -> Path:
        """What specs read of the stack."""
        return self.path / "stack.json"

    @property
    def junit(self) -> Path:
        """The run's report."""
        return self.path / "junit.xml"

    @property
    def evidence(self) -> Path:
        """The folder of what was saved from the servers and the stack."""
        return self.path / _EVIDENCE

    @property
    def archived(self) -> tuple[Path, ...]:
        """The folders that go along with a report: evidence and logs."""
        return self.evidence, self._logs

    @property
    def log_files(self) -> tuple[Path, ...]:
        """The logs of all rounds."""
        return tuple(sorted(self._logs.rglob("*.log")))

    @property
    def for_specs(self) -> tuple[Path, ...]:
        """The files that the commit's own programs read; nothing else of the folder is theirs."""
        return self.login_key, self.ssh_config, self.known_hosts, self.stack

    def logs(self, round_: Round) -> Path:
        """The folder of what the steps and specs of a round print."""
        return self._of_round(self._logs, round_)

    def template(self, round_: Round) -> Path:
        """The template that Heat is sent."""
        return self._of_round(self.path, round_) / "template.yaml"

    def environment(self, round_: Round) -> Path:
        """The environment and the parameters that Heat is sent."""
        return self._of_round(self.path, round_) / "environment.yaml"

    def template_files(self, round_: Round) -> Path:
        """The folder of the files that Heat is sent."""
        return self._of_round(self.path, round_) / "files"

    def remove_private_keys(self) -> None:
        """Remove the private keys; gone already is no error."""
        for key in (self.login_key, self.host_key):
            key.unlink(missing_ok=True)

    @property
    def _logs(self) -> Path:
        return self.path / "logs"

    @staticmethod
    def _of_round(folder: Path, round_: Round) -> Path:
        return folder if round_ is Round.HEAD else folder / round_


def evidence_of(server: str) -> str:
    """What the names of a server's files begin with in a record's ``evidence``."""
    return f"{_EVIDENCE}/{server}/"
