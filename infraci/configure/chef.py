"""The ``chef`` step: converges cookbooks of the commit on the server, by Chef or Cinc."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from infraci.configure.chef_output import ChefResource, read_chef_resources
from infraci.configure.remote_folder import Ended, Program, archive, run_pushed, run_variables
from infraci.configure.step import (
    Applied,
    Part,
    Step,
    StepError,
    StepOutsideError,
    StepRun,
)
from infraci.configure.step_failure import failed_part, step_cause, step_error, without_folder
from infraci.model.configure_steps import ChefStep
from infraci.model.run import Outcome, Server
from infraci.model.secret import reveal_all
from infraci.ssh import Session

_ABSENT = 97
#: "Chef Infra Client finished, 3/10 resources updated in 05 seconds", and of Cinc and old Chefs.
_FINISHED = re.compile(r"^\S.* Client finished, (\d+)/(\d+) resources updated")
_ERROR = re.compile(r"^(?:\[[^]]+\] )?(?:FATAL|ERROR): (.+)$")


class Chef(Step):
    """Pushes cookbooks and roles, and converges the run list in local mode, as root."""

    def __init__(self, options: ChefStep) -> None:
        self._options = options
        self.name = options.title
        self.roles = options.roles

    def apply(self, session: Session, server: Server, run: StepRun) -> Applied:
        """Converge; what it changes are resources."""
        options = self._options
        more = [path for path in (options.role_path, options.data_bag_path) if path]
        tree = archive(run.root, [*options.cookbook_path, *more], server)
        program = Program(
            what=self.name,
            files=lambda folder: {
                "tree.tar.gz": tree,
                "client.rb": self._settings(folder, server).encode(),
                "attributes.json": json.dumps(self._attributes(server, run)).encode(),
            },
            lines=_lines,
            environment={**run_variables(server, run), **reveal_all(options.environment)},
            timeout_s=options.timeout_s,
        )
        with run_pushed(program, session, server, run) as ended:
            resources = read_chef_resources(ended.lines)
            if ended.exit_status != 0:
                raise self._failed(ended, resources, server, run)
        if counts := _counts(ended.lines):
            run.log(f"{counts[0]} of {counts[1]} resources changed")
        return Applied(
            changes=tuple(resource.action for resource in resources if resource.is_changed),
            parts=tuple(
                self._part(replace(resource, is_failed=False), server, run)
                for resource in resources
            ),
        )

    def _settings(self, folder: str, server: Server) -> str:
        """The client.rb; its strings are JSON's, which Ruby reads alike."""
        tree = f"{folder}/tree"
        settings: dict[str, object] = {
            "node_name": server.word,
            "chef_repo_path": tree,
            "cookbook_path": [f"{tree}/{path}" for path in self._options.cookbook_path],
            "node_path": f"{folder}/nodes",
            "file_cache_path": "/var/chef/cache",
            "file_backup_path": "/var/chef/backup",
        }
        if self._options.role_path:
            settings["role_path"] = f"{tree}/{self._options.role_path}"
        if self._options.data_bag_path:
            settings["data_bag_path"] = f"{tree}/{self._options.data_bag_path}"
        return "".join(f"{name} {json.dumps(value)}\n" for name, value in settings.items())

    def _attributes(self, server: Server, run: StepRun) -> Mapping[str, object]:
        known = {
            "server": server.name,
            "role": server.role,
            "address": server.address,
            "run": run.run_id,
            "commit": run.commit,
            "outputs": dict(run.outputs),
        }
        run_list = list(self._options.run_list)
        return {"infraci": known, **self._options.attributes, "run_list": run_list}

    def _part(self, resource: ChefResource, server: Server, run: StepRun) -> Part:
        if not resource.is_failed:
            outcome = Outcome.SKIPPED if resource.is_skipped else Outcome.PASSED
            return Part(name=resource.name, outcome=outcome)
        cause = step_cause(resource.text, own_hosts=run.own_hosts)
        location, text = resource.location, resource.text
        return failed_part(server, self.name, resource.name, cause, location=location, text=text)

    def _failed(
        self, ended: Ended, resources: Sequence[ChefResource], server: Server, run: StepRun
    ) -> StepError | StepOutsideError:
        status = ended.exit_status
        if status == _ABSENT:
            return step_error(
                f"{server.name}: {self.name} cannot be converged: neither cinc-client nor"
                " chef-client is installed there",
                hint="use an image with one of them, or install it in a step before",
            )
        cause = step_cause(ended.text, own_hosts=run.own_hosts)
        parts = [self._part(resource, server, run) for resource in resources]
        failed = [part for part in parts if part.message]
        if failed:  # last comes the innermost: the others failed because of it
            message = failed[-1].message
        else:
            reason = cause.text if cause.is_outside else _reason(ended.lines)
            message = f"{server.name}: {self.name} failed: {without_folder(reason)} ({ended.how})"
        return step_error(
            message,
            is_outside=cause.is_outside,
            details=without_folder(ended.last),
            parts=parts,
        )


def _lines(folder: str) -> Iterator[str]:
    yield "PATH=$PATH:/opt/cinc/bin:/opt/chef/bin"
    yield f"client=$(command -v cinc-client || command -v chef-client) || exit {_ABSENT}"
    yield f"mkdir {folder}/tree && cd {folder}/tree && tar -xzf ../tree.tar.gz || exit"
    yield (
        f'exec "$client" --local-mode --config {folder}/client.rb'
        f" --json-attributes {folder}/attributes.json --no-color --force-formatter"
    )


def _counts(lines: Sequence[str]) -> tuple[int, int] | None:
    """How many resources were updated, and how many there are."""
    finished = next((match for line in reversed(lines) if (match := _FINISHED.match(line))), None)
    return (int(finished[1]), int(finished[2])) if finished else None


def _reason(lines: Sequence[str]) -> str:
    full = [line.strip() for line in lines if line.strip()]
    errors = [match[1] for line in full if (match := _ERROR.match(line))]
    named = [e for e in errors if not e.startswith(("Stacktrace", "Please provide", "----"))]
    return (named or full or ["it did not say why"])[-1]
