"""Chef in local mode. There is none to be had here: a stand-in shows its arguments and files."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from infraci.configure import NotIdempotentError, StepFailedError
from infraci.configure.chef import changed_resources
from infraci.model.configure import ChefStep
from tests.configure.conftest import Site
from tests.configure.test_script import stand_in

#: As Chef's doc formatter prints it.
SAID = """\
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
    assert changed_resources(SAID.splitlines()) == CHANGED
    assert changed_resources([]) == ()


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


def test_what_chef_gets(site: Site) -> None:
    site.script("chef/cookbooks/shop/recipes/default.rb", "")
    site.script("chef/roles/web.json", "{}")
    with stand_in(site, "chef-client", SHOW):
        site.configure(
            _step(role_path=PurePosixPath("chef/roles"), attributes={"shop": {"workers": 2}}),
            outputs={"url": "http://x"},
        )
    log = site.log()
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


def test_cinc_comes_first_and_what_is_changed_twice_is_named(site: Site) -> None:
    site.script("chef/cookbooks/shop/recipes/default.rb", "")
    with (
        stand_in(site, "chef-client", "exit 1"),
        stand_in(site, "cinc-client", f"cat <<'END'\n{SAID}END\n"),
        pytest.raises(NotIdempotentError) as caught,
    ):
        site.configure(_step(), idempotence=True)
    assert caught.value.details.splitlines() == [
        f"chef role[web],recipe[shop] on web-0: {resource}" for resource in CHANGED
    ]
    assert "3 of 6 resources changed" in site.log()


def test_a_recipe_that_fails(site: Site) -> None:
    site.script("chef/cookbooks/shop/recipes/default.rb", "")
    said = """\
echo '[2026-01-01T00:00:00+00:00] ERROR: Running exception handlers'
echo 'Chef Infra Client failed. 1 resources updated in 02 seconds'
echo '[2026-01-01T00:00:00+00:00] FATAL: Stacktrace dumped to /var/chef/cache/chef-stacktrace.out'
echo '[2026-01-01T00:00:00+00:00] FATAL: Chef::Exceptions::Package: no candidate for nginxx'
exit 1
"""
    with stand_in(site, "chef-client", said), pytest.raises(StepFailedError) as caught:
        site.configure(_step())
    assert caught.value.message == (
        "cannot configure web-0: chef role[web],recipe[shop] ended with exit status 1:"
        " Chef::Exceptions::Package: no candidate for nginxx"
    )


def test_there_is_no_chef(site: Site) -> None:
    site.script("chef/cookbooks/shop/recipes/default.rb", "")
    with pytest.raises(StepFailedError, match="neither cinc-client nor chef-client is installed"):
        site.configure(_step())
