"""Chef in local mode. There is none to be had here: a stand-in shows its arguments and files."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from infraci.configure import NotIdempotentError, StepError, StepFailedError
from infraci.configure.chef_output import read_chef_resources
from infraci.configure.step import StepOutsideError
from infraci.errors import InfraciError
from infraci.model.configure_steps import ChefStep
from infraci.model.run import Outcome
from tests.configure.conftest import StepRunner
from tests.configure.test_script import fake_program

#: As Chef's doc formatter prints it.
OUTPUT = """\
Converging 4 resources
Recipe: web::default
  * apt_package[nginx] action install
    - install version 1.22.1-9 of package nginx
  * file[/etc/motd] action create (up to date)
  * template[/etc/nginx/nginx.conf] action create
    - update content in file /etc/nginx/nginx.conf from 1a2b3c to 4d5e6f
    --- /etc/nginx/nginx.conf 2026-01-01
    +++ /etc/nginx/.chef-nginx.conf 2026-01-01
    @@ -1,3 +1,3 @@
  * service[nginx] action start (skipped due to only_if)
  * shop_site[main] action create
    * directory[/srv/shop] action create
      - create new directory /srv/shop
    * file[/srv/shop/on] action create (up to date)

Running handlers:
Running handlers complete
Chef Infra Client finished, 3/6 resources updated in 05 seconds
"""
CHANGED = (
    "apt_package[nginx] action install",
    "template[/etc/nginx/nginx.conf] action create",
    "directory[/srv/shop] action create",
)


def test_what_was_changed() -> None:
    resources = read_chef_resources(OUTPUT.splitlines())
    assert tuple(r.action for r in resources if r.is_changed) == CHANGED
    assert [r.name for r in resources if r.is_skipped] == [
        "web::default: service[nginx] action start"
    ]
    assert read_chef_resources([]) == ()


def _step(**options: Any) -> ChefStep:
    return ChefStep(
        run_list=("role[web]", "recipe[shop]"),
        cookbook_path=(PurePosixPath("chef/cookbooks"),),
        **options,
    )


SHOW = """\
for a; do echo "$a" | sed "s,$(dirname "$PWD"),FOLDER,g"; done
sed "s,$(dirname "$PWD"),FOLDER,g" ../client.rb
cat ../attributes.json; echo
find . -type f | sort
"""


def test_what_chef_gets(runner: StepRunner) -> None:
    runner.script("chef/cookbooks/shop/recipes/default.rb", "")
    runner.script("chef/roles/web.json", "{}")
    with fake_program(runner, "chef-client", SHOW):
        runner.configure(
            _step(role_path=PurePosixPath("chef/roles"), attributes={"shop": {"workers": 2}}),
            outputs={"url": "http://x"},
        )
    log = runner.log()
    attributes = json.loads(log.pop(15))
    assert log == [
        "==> chef role[web],recipe[shop]",
        "--local-mode",
        "--config",
        "FOLDER/client.rb",
        "--json-attributes",
        "FOLDER/attributes.json",
        "--no-color",
        "--force-formatter",
        'node_name "web-0"',
        'chef_repo_path "FOLDER/tree"',
        'cookbook_path ["FOLDER/tree/chef/cookbooks"]',
        'node_path "FOLDER/nodes"',
        'file_cache_path "/var/chef/cache"',
        'file_backup_path "/var/chef/backup"',
        'role_path "FOLDER/tree/chef/roles"',
        "./chef/cookbooks/shop/recipes/default.rb",
        "./chef/roles/web.json",
        "==> chef role[web],recipe[shop]: done",
    ]
    assert attributes == {
        "infraci": {
            "server": "web-0",
            "role": "web",
            "address": "127.0.0.1",
            "run": "run-1",
            "commit": "0123456789abcdef",
            "outputs": {"url": "http://x"},
        },
        "shop": {"workers": 2},
        "run_list": ["role[web]", "recipe[shop]"],
    }


def test_cinc_comes_first_and_what_is_changed_twice_is_named(runner: StepRunner) -> None:
    runner.script("chef/cookbooks/shop/recipes/default.rb", "")
    with (
        fake_program(runner, "chef-client", "exit 1"),
        fake_program(runner, "cinc-client", f"cat <<'END'\n{OUTPUT}END\n"),
        pytest.raises(NotIdempotentError) as caught,
    ):
        runner.configure(_step(), idempotence=True)
    assert caught.value.details.splitlines() == [
        f"chef role[web],recipe[shop] on web-0: {resource}" for resource in CHANGED
    ]
    assert "3 of 6 resources changed" in runner.log()


#: As Chef Infra Client 18 prints it.
FAILED = """\
Recipe: web::default
  * directory[/srv/shop] action create (up to date)
  * execute[optional] action run

    ================================================================================
    Error executing action `run` on resource 'execute[optional]'
    ================================================================================

    Mixlib::ShellOut::ShellCommandFailed
    ------------------------------------
    Expected process to exit with [0], but received '1'

[2026-01-01T00:00:00+00:00] ERROR: execute[optional] (web::default line 3) had an error: \
Mixlib::ShellOut::ShellCommandFailed: no; ignore_failure is set, continuing
  * shop_site[main] action create
    * apt_package[%(package)s] action install
      * No candidate version available for %(package)s
      ================================================================================
      Error executing action `install` on resource 'apt_package[%(package)s]'
      ================================================================================

      Chef::Exceptions::Package
      -------------------------
      %(reason)s

      Resource Declaration:
      ---------------------
      # In /tmp/infraci.a1b2/tree/chef/cookbooks/shop/resources/site.rb

        4:   package '%(package)s'

      Compiled Resource:
      ------------------
      # Declared in /tmp/infraci.a1b2/tree/chef/cookbooks/shop/resources/site.rb:4:in `from_file'

      apt_package("%(package)s") do

    ================================================================================
    Error executing action `create` on resource 'shop_site[main]'
    ================================================================================

    Chef::Exceptions::Package
    -------------------------
    %(reason)s

Running handlers:
[2026-01-01T00:00:00+00:00] ERROR: Running exception handlers
Running handlers complete
[2026-01-01T00:00:00+00:00] ERROR: Exception handlers complete
Chef Infra Client failed. 0 resources updated in 02 seconds
[2026-01-01T00:00:00+00:00] FATAL: Stacktrace dumped to /var/chef/cache/chef-stacktrace.out
[2026-01-01T00:00:00+00:00] FATAL: Chef::Exceptions::Package: shop_site[main] had an error
"""
NO_CANDIDATE = {"package": "nginxx", "reason": "No candidate version available for nginxx"}
NO_MIRROR = {
    "package": "nginx",
    "reason": "E: Failed to fetch http://deb.debian.org/x  503  Service Unavailable"
    " [IP: 192.0.2.1 80]",
}


def _fails(runner: StepRunner, output: str) -> InfraciError:
    runner.script("chef/cookbooks/shop/recipes/default.rb", "")
    with (
        fake_program(runner, "chef-client", f"cat <<'END'\n{output}END\nexit 1\n"),
        pytest.raises(StepFailedError) as caught,
    ):
        runner.configure(_step())
    return caught.value.failures[0].error


def test_a_resource_that_fails_is_named_with_its_place(runner: StepRunner) -> None:
    error = _fails(runner, FAILED % NO_CANDIDATE)
    assert error.message == (
        "web-0: chef role[web],recipe[shop]: web::default: apt_package[nginxx] action install"
        " failed: No candidate version available for nginxx"
        " (chef/cookbooks/shop/resources/site.rb:4)"
    )
    assert isinstance(error, StepError)
    assert [(part.name, part.outcome) for part in error.parts] == [
        ("web::default: directory[/srv/shop] action create", Outcome.PASSED),
        ("web::default: execute[optional] action run", Outcome.PASSED),
        ("web::default: shop_site[main] action create", Outcome.FAILURE),
        ("web::default: apt_package[nginxx] action install", Outcome.FAILURE),
    ]
    assert "No candidate version" in error.parts[-1].text


def test_a_mirror_that_does_not_answer_is_no_failure_of_a_recipe(runner: StepRunner) -> None:
    error = _fails(runner, FAILED % NO_MIRROR)
    assert isinstance(error, StepOutsideError)
    assert error.parts[-1].outcome is Outcome.ERROR


def test_a_recipe_that_cannot_be_read(runner: StepRunner) -> None:
    output = """\
[2026-01-01T00:00:00+00:00] ERROR: Running exception handlers
Chef Infra Client failed. 0 resources updated in 02 seconds
[2026-01-01T00:00:00+00:00] FATAL: Stacktrace dumped to /var/chef/cache/chef-stacktrace.out
[2026-01-01T00:00:00+00:00] FATAL: NameError: undefined local variable or method `foo'
"""
    assert _fails(runner, output).message == (
        "web-0: chef role[web],recipe[shop] failed: NameError: undefined local variable or method"
        " `foo' (exit status 1)"
    )


def test_there_is_no_chef(runner: StepRunner) -> None:
    runner.script("chef/cookbooks/shop/recipes/default.rb", "")
    with pytest.raises(StepFailedError, match="neither cinc-client nor chef-client is installed"):
        runner.configure(_step())
