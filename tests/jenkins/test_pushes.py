"""A build for every commit: which commits a push brings, the outbox, the hook."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from infraci.base.deadline import Deadline
from infraci.cli import main
from infraci.errors import InfraciError, UsageError
from infraci.jenkins.hooks import hook_script, install
from infraci.jenkins.outbox import Outbox
from infraci.jenkins.pushes import RefChange, difference, new_commits, parse_changes, references
from tests.jenkins.conftest import Connect
from tests.jenkins.fake_jenkins import TOKEN, USER, FakeJenkins
from tests.jenkins.projects import FOLDER, project
from tests.processes import run_infraci

ZERO = "0" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A clone to work in, and the bare repository that it pushes to."""

    work: Path
    bare: Path

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git in the clone."""
        somebody = ("-c", "user.name=$(id)<b>", "-c", "user.email=s@example.org")
        done = subprocess.run(
            ["git", *somebody, *arguments],
            cwd=self.work,
            capture_output=True,
            text=True,
            check=check,
        )
        return done.stdout.strip()

    def commit(self, message: str = "Change it") -> str:
        """Commit something; returns the sha."""
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")

    def push(self, *arguments: str) -> list[str]:
        """Push; returns the new commits by the input of a hook."""
        before = references(self.bare)
        self.git("push", "--quiet", *(arguments or ("origin", "main")))
        return self.new(difference(before, references(self.bare)))

    def new(self, changes: tuple[RefChange, ...]) -> list[str]:
        """The new commits."""
        return list(new_commits(self.bare, changes).shas)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A clone and its bare repository, without commits."""
    bare = tmp_path / "shop.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare], check=True)
    work = tmp_path / "work"
    subprocess.run(["git", "clone", "--quiet", bare, work], check=True, capture_output=True)
    made = Repository(work=work, bare=bare)
    made.git("checkout", "--quiet", "-B", "main")
    return made


def test_every_commit_of_a_push_parents_first(repository: Repository) -> None:
    shas = [repository.commit() for _ in range(3)]
    assert repository.push() == shas
    more = [repository.commit() for _ in range(2)]
    assert repository.push() == more


def test_a_new_branch_has_only_its_own(repository: Repository) -> None:
    repository.commit()
    repository.push()
    repository.git("checkout", "--quiet", "-b", "topic")
    assert repository.push("origin", "topic") == []
    sha = repository.commit()
    repository.git("checkout", "--quiet", "-b", "other")
    assert repository.push("origin", "other", "topic") == [sha]  # once, on two branches


def test_a_force_push_builds_what_is_new(repository: Repository) -> None:
    repository.commit()
    repository.push()
    repository.commit("to be dropped")
    repository.push()
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    sha = repository.commit("instead")
    assert repository.push("--force", "origin", "main") == [sha]
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    assert repository.push("--force", "origin", "main") == []


def test_deletes_and_tags_bring_none(repository: Repository) -> None:
    repository.commit()
    repository.push()
    repository.push("origin", "main:topic")
    assert repository.push("origin", ":topic") == []
    repository.git("tag", "-m", "x", "v1")
    before = references(repository.bare)
    repository.git("push", "--quiet", "origin", "v1")
    assert references(repository.bare) == before
    sha = repository.git("rev-parse", "v1")
    assert repository.new((RefChange(old=ZERO, new=sha, name="refs/tags/v1"),)) == []


def merge(repository: Repository) -> tuple[str, list[str], str, tuple[RefChange, ...]]:
    """A push of a merge: mainline, the branch, the merge, and what changed."""
    repository.commit()
    repository.push()
    repository.git("checkout", "--quiet", "-b", "topic")
    topic = [repository.commit("topic") for _ in range(2)]
    repository.git("checkout", "--quiet", "main")
    mainline = repository.commit("mainline")
    repository.git("merge", "--quiet", "--no-ff", "--message=merge", "topic")
    merged = repository.git("rev-parse", "HEAD")
    before = references(repository.bare)
    repository.git("push", "--quiet", "origin", "main")
    return mainline, topic, merged, difference(before, references(repository.bare))


def test_a_merge_brings_its_branch(repository: Repository) -> None:
    mainline, topic, merged, changes = merge(repository)
    new = repository.new(changes)
    assert set(new) == {mainline, *topic, merged}
    assert new[-1] == merged
    assert new.index(topic[0]) < new.index(topic[1])


def test_or_only_itself(repository: Repository) -> None:
    mainline, _, merged, changes = merge(repository)
    new = new_commits(repository.bare, changes, first_parent=True)
    assert new.shas == (mainline, merged)


def test_too_many(repository: Repository) -> None:
    shas = [repository.commit() for _ in range(7)]
    repository.git("push", "--quiet", "origin", "main")
    (change,) = difference({}, references(repository.bare))
    new = new_commits(repository.bare, [change], limit=3)
    assert (new.shas, new.left_out) == (tuple(shas[-3:]), 4)


def test_thousands(repository: Repository) -> None:
    stream = "".join(
        f"commit refs/heads/main\ncommitter S <s@example.org> {1_700_000_000 + n} +0000\n"
        "data 1\nx\n\n"
        for n in range(5000)
    )
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=repository.bare, input=stream.encode(), check=True
    )
    (change,) = difference({}, references(repository.bare))
    new = new_commits(repository.bare, [change])
    assert (len(new.shas), new.left_out) == (200, 4800)


def test_only_branches_that_matter(repository: Repository) -> None:
    repository.commit()
    repository.git("push", "--quiet", "origin", "main", "main:wip/a", "main:release/1")
    changes = difference({}, references(repository.bare))
    assert new_commits(repository.bare, changes, branches=["release/*"]).shas
    assert not new_commits(repository.bare, changes, branches=["rel"]).shas


def test_lines_that_are_none() -> None:
    sha = "a" * 40
    text = f"{ZERO} {sha} refs/heads/a b $(id)\n--upload-pack=x {sha} refs/heads/x\n\nx y z\n"
    assert parse_changes(text) == (RefChange(old=ZERO, new=sha, name="refs/heads/a b $(id)"),)


def test_the_outbox_keeps_the_order(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, clock_ns=iter([2, 3, 10]).__next__)
    pushes = [["b" * 40, "a" * 40], ["d" * 40], ["c" * 40]]
    for shas in pushes:
        outbox.put(shas)
    sent: list[str] = []
    assert outbox.send(sent.append) == 4
    assert sent == [sha for shas in pushes for sha in shas]
    assert outbox.waiting() == []


def test_what_could_not_be_sent_stays(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(["a" * 40, "b" * 40, "c" * 40])

    def fail(sha: str) -> None:
        if sha == "b" * 40:
            raise InfraciError("cannot")

    with pytest.raises(InfraciError):
        outbox.send(fail)
    assert outbox.waiting() == ["b" * 40, "c" * 40]


def test_two_senders_take_turns(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put([f"{n:040x}" for n in range(50)])
    sent: list[str] = []
    senders = [threading.Thread(target=outbox.send, args=(sent.append,)) for _ in range(2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sent == [f"{n:040x}" for n in range(50)]


def test_files_that_are_no_commits_are_left_alone(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put([])
    (outbox.folder / "$(id)").touch()
    assert outbox.waiting() == []


def test_the_hook_is_installed_again_and_again(repository: Repository) -> None:
    hook = install(repository.bare)
    assert hook == repository.bare / "hooks" / "post-receive"
    assert hook.stat().st_mode & 0o777 == 0o755
    assert install(repository.bare) == hook


def test_somebody_elses_hook_stays(repository: Repository) -> None:
    hook = repository.bare / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="already") as caught:
        install(repository.bare)
    assert "infraci hook receive" in str(caught.value.hint)
    assert hook.read_text() == "#!/bin/sh\n"


def test_a_hosted_repository_is_told_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hook", "install", "--hosted"]) == 0
    assert "infraci hook mirror" in capsys.readouterr().out


@pytest.fixture
def hooked(repository: Repository, jenkins: FakeJenkins, tmp_path: Path) -> Iterator[Repository]:
    """A bare repository with the hook; whatever it has started has ended in the end."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    infraci(
        repository.bare, "hook", "install", "--url", jenkins.url, "--user", USER,
        "--token-file", str(token), "--folder", "shop", "--limit", "5",
    )  # fmt: skip
    yield repository
    Outbox(repository.bare).send(lambda _: None)  # waits for a sender that is at work


def infraci(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run infraci somewhere, with none of this process's settings."""
    environment: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith("JENKINS_")
    }
    return run_infraci(*arguments, cwd=folder, env=environment)


def pushed(repository: Repository) -> str:
    """Push; returns what the pusher reads."""
    done = subprocess.run(
        ["git", "push", "origin", "main"],
        cwd=repository.work,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def until_sent(repository: Repository) -> None:
    """Wait until nothing waits any more."""
    for _ in Deadline(60, phase="the test").poll("the outbox"):
        if not Outbox(repository.bare).waiting():
            return


def jobs(connect: Connect) -> None:
    """What `infraci jenkins setup` would have made."""
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")


def test_a_push_is_built(hooked: Repository, connect: Connect, jenkins: FakeJenkins) -> None:
    jobs(connect)
    shas = [hooked.commit(f"$(touch {n})<script>&") for n in range(3)]
    assert "infraci: 3 commits will be built" in pushed(hooked)
    until_sent(hooked)
    entries = [jenkins.state.queue[n].parameters["COMMIT"] for n in sorted(jenkins.state.queue)]
    assert entries == shas
    assert all("script" not in text and "touch" not in text for text in jenkins.secrets_seen)
    assert hook_script() in (hooked.bare / "hooks" / "post-receive").read_text()
    config = (hooked.bare / "config").read_text()
    assert TOKEN not in config


def test_a_push_that_is_too_long_says_so(
    hooked: Repository, connect: Connect, jenkins: FakeJenkins
) -> None:
    jobs(connect)
    for _ in range(7):
        hooked.commit()
    assert "2 older commits of this push are over the limit of 5" in pushed(hooked)
    until_sent(hooked)


def test_jenkins_is_down(hooked: Repository, connect: Connect, jenkins: FakeJenkins) -> None:
    jenkins.faults += ["403"] * 100  # at once, and for good
    shas = [hooked.commit()]
    assert "1 commit will be built" in pushed(hooked)
    assert Outbox(hooked.bare).waiting() == shas
    shas.append(hooked.commit())
    pushed(hooked)
    failed = infraci(hooked.bare, "hook", "flush")
    assert failed.returncode == 125
    assert infraci(hooked.bare, "hook", "status").stdout.split() == shas
    jenkins.faults.clear()
    jobs(connect)
    assert infraci(hooked.bare, "hook", "flush").returncode == 0
    queue = jenkins.state.queue
    assert [queue[n].parameters["COMMIT"] for n in sorted(queue)] == shas
    assert "nothing waits" in infraci(hooked.bare, "hook", "flush").stderr


def test_a_hook_without_settings_refuses_no_push(repository: Repository) -> None:
    install(repository.bare)
    repository.commit()
    pushed(repository)
    assert references(repository.bare)


def test_a_mirror_of_a_hosted_repository(
    repository: Repository, connect: Connect, jenkins: FakeJenkins, tmp_path: Path
) -> None:
    jobs(connect)
    repository.commit()
    repository.push()
    mirror = tmp_path / "mirror.git"
    subprocess.run(["git", "clone", "--quiet", "--mirror", repository.bare, mirror], check=True)
    for name, value in {
        "jenkinsUrl": jenkins.url,
        "jenkinsUser": USER,
        "jenkinsTokenFile": str(tmp_path / "token"),
        "jenkinsFolder": "shop",
    }.items():
        subprocess.run(["git", "config", f"infraci.{name}", value], cwd=mirror, check=True)
    (tmp_path / "token").write_text(TOKEN)
    assert infraci(mirror, "hook", "mirror").stderr == ""
    shas = [repository.commit() for _ in range(2)]
    repository.push()
    assert "2 commits will be built" in infraci(mirror, "hook", "mirror").stderr
    until_sent(Repository(work=repository.work, bare=mirror))
    queue = jenkins.state.queue
    assert [queue[n].parameters["COMMIT"] for n in sorted(queue)] == shas
