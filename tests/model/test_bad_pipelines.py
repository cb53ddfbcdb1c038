"""Bad pipeline files: each gets one clear message, at the right place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from infraci.model.decode import load_pipeline
from infraci.model.problem import PipelineFileError
from tests.model.trees import MINIMAL, make_tree, write


@dataclass(frozen=True)
class Bad:
    """A bad file, and the one message it deserves, without the file's name."""

    name: str
    content: str | bytes
    message: str


STACK = "stack: {template: stacks/web.yaml}\n"
SPECS = "specs: {all: [specs/common]}\n"

NOT_YAML = [
    Bad("empty", "", "1:1: the file is empty"),
    Bad("only-comments", "# nothing\n\n", "1:1: the file is empty"),
    Bad("only-a-document-start", "---\n", "1:1: expected a mapping, found nothing"),
    Bad("a-list", "- a\n", "1:1: expected a mapping, found a list"),
    Bad("text", "hello\n", '1:1: expected a mapping, found "hello"'),
    Bad("two-documents", MINIMAL + "---\n" + MINIMAL, "3:1: a second document begins; a file "
        "holds one"),
    Bad("tab", "stack:\n\ttemplate: x\n", "2:1: not valid YAML: a tab; YAML is indented with "
        "spaces"),
    Bad("not-utf-8", MINIMAL.encode() + b"description: caf\xe9\n", "3:17: not UTF-8 text"),
    Bad("utf-16", MINIMAL.encode("utf-16"), "1:1: not UTF-8 text"),
    Bad("nul", MINIMAL + "description: a\0b\n", "3:15: the control character U+0000 is not "
        "allowed"),
    Bad("escape", MINIMAL + "description: \x1b[31m\n", "3:14: the control character U+001B is not "
        "allowed"),
    Bad("duplicate-key", MINIMAL + STACK, '3:1: the key "stack" is there already, in line 1'),
    Bad("duplicate-nested-key", MINIMAL + "servers:\n  user: a\n  user: b\n",
        '5:3: the key "user" is there already, in line 4'),
    Bad("unknown-tag", MINIMAL + "description: !secret x\n",
        '3:14: the tag "!secret" is not known here'),
    Bad("python-tag", MINIMAL + "description: !!python/object/apply:os.system [id]\n",
        '3:14: the tag "!!python/object/apply:os.system" is not known here'),
    Bad("wrong-tag", MINIMAL + "voting: !!int yes\n", '3:9: the tag "!!int" is not known here'),
    Bad("unknown-alias", MINIMAL + "description: *nobody\n",
        '3:14: no anchor "&nobody" before this alias'),
    Bad("endless-alias", "stack: &s {template: *s}\n",
        '1:22: the value of "&s" contains itself'),
    Bad("merge-key", STACK + SPECS + "timeouts: {<<: {verify: 1m}}\n",
        '3:12: merge keys ("<<") are not part of YAML 1.2'),
    Bad("unclosed-quote", STACK + 'description: "x\n' + SPECS,
        "2:14: not valid YAML: the quoted text never ends"),
    Bad("unclosed-list", STACK + "specs: {all: [a\nvoting: true\n",
        '3:7: not valid YAML: expected "," or "]" in the list'),
    Bad("colon-in-text", MINIMAL + "description: a: b\n",
        '3:15: not valid YAML: a ":" where no key can be; check the indentation, or quote a '
        'value that holds ": "'),
    Bad("bad-indentation", "stack:\n    template: a\n  files: {}\n",
        "3:3: not valid YAML: out of place; check the indentation"),
    Bad("missing-colon", "stack:\n  template\n  files: {}\n",
        '3:8: not valid YAML: a ":" where no key can be; check the indentation, or quote a '
        'value that holds ": "'),
    Bad("percent", "%a\n", "2:1: not valid YAML: expected '<document start>', but found "
        "'<stream end>'"),
    Bad("at-sign", MINIMAL + "description: @home\n",
        '3:14: not valid YAML: text cannot begin with "@" unless it is quoted'),
    Bad("backtick", MINIMAL + "description: `id`\n",
        '3:14: not valid YAML: text cannot begin with "`" unless it is quoted'),
    Bad("a-mapping-as-key", "? {a: b}\n: c\n",
        "1:3: expected a key, found a mapping; quote a value that begins so"),
    Bad("jinja", "stack: {{ stack }}\n",
        "1:9: expected a key, found a mapping; quote a value that begins so"),
    Bad("no-key", MINIMAL + "?\n: 3\n", "3:2: expected a key, found nothing"),
    Bad("too-deep", MINIMAL + "description: " + "[" * 40 + "]" * 40 + "\n",
        "3:45: nested deeper than 32 levels"),
]  # fmt: skip

NOT_A_PIPELINE = [
    Bad("no-stack", SPECS, "1:1: stack: the required key is missing"),
    Bad("no-specs", STACK, "1:1: specs: the required key is missing"),
    Bad("empty-specs", STACK + "specs: {}\n",
        "2:8: specs: a pipeline without specs proves nothing"),
    Bad("null-specs", STACK + "specs:\n", "2:7: specs: expected a mapping, found nothing"),
    Bad("specs-list", STACK + "specs: [specs/common]\n",
        "2:8: specs: expected a mapping, found a list"),
    Bad("empty-role", STACK + "specs:\n  all: []\n",
        "3:8: specs.all: expected at least one, found an empty list"),
    Bad("spec-as-text", STACK + "specs:\n  all: specs/common\n",
        '3:8: specs.all: expected a list, found "specs/common"; did you mean "[specs/common]"?'),
    Bad("bad-role", STACK + "specs: {all: [specs/common], a b: [specs/common]}\n",
        '2:30: specs["a b"]: expected a role\'s name (letters, digits, _ . -), found "a b"'),
    Bad("no-template", SPECS + "stack:\n  parameters: {}\n",
        "2:1: stack.template: the required key is missing"),
    Bad("null-template", SPECS + "stack:\n  template:\n",
        "3:12: stack.template: expected the path of a file, found nothing"),
    Bad("stack-as-text", SPECS + "stack: stacks/web.yaml\n",
        '2:8: stack: expected a mapping, found "stacks/web.yaml"'),
    Bad("unknown-key", MINIMAL + "tags: [x]\n",
        '3:1: tags: unknown key; expected "description", "voting", "schedule", "destroy", '
        '"expires", "timeouts", "stack", "servers", "configure", "idempotence", '
        '"environment", "specs", "serverspec", "upgrade" or "matrix"'),
    Bad("near-key", MINIMAL + "configre: []\n",
        '3:1: configre: unknown key; did you mean "configure"?'),
    Bad("key-in-capitals", MINIMAL + "Voting: true\n",
        '3:1: Voting: unknown key; did you mean "voting"?'),
    Bad("near-nested-key", MINIMAL + "timeouts:\n  verfy: 1m\n",
        '4:3: timeouts.verfy: unknown key; did you mean "verify"?'),
    Bad("near-key-in-a-role", MINIMAL + "servers:\n  roles:\n    web:\n      name: [a]\n",
        '6:7: servers.roles.web.name: unknown key; did you mean "names"?'),
    Bad("the-values-own-name", MINIMAL + "expires_s: 3\n",
        '3:1: expires_s: unknown key; did you mean "expires"?'),
    Bad("name-is-the-files", MINIMAL + "path: x\n",
        '3:1: path: unknown key; expected "description", "voting", "schedule", "destroy", '
        '"expires", "timeouts", "stack", "servers", "configure", "idempotence", '
        '"environment", "specs", "serverspec", "upgrade" or "matrix"'),
    Bad("voting-yes", MINIMAL + "voting: yes\n",
        '3:9: voting: expected true or false, found "yes"; did you mean "true"?'),
    Bad("voting-off", MINIMAL + "voting: Off\n",
        '3:9: voting: expected true or false, found "Off"; did you mean "false"?'),
    Bad("voting-quoted", MINIMAL + 'voting: "true"\n',
        '3:9: voting: expected true or false, without quotes, found "true"'),
    Bad("voting-number", MINIMAL + "voting: 1\n",
        "3:9: voting: expected true or false, found the number 1"),
    Bad("voting-null", MINIMAL + "voting:\n", "3:8: voting: expected true or false, found nothing"),
    Bad("destroy", MINIMAL + "destroy: allways\n",
        '3:10: destroy: expected "always", "passing" or "never", found "allways"; '
        'did you mean "always"?'),
    Bad("destroy-true", MINIMAL + "destroy: true\n",
        '3:10: destroy: expected "always", "passing" or "never", found true'),
    Bad("clock", MINIMAL + "timeouts: {verify: 1:30}\n",
        '3:20: timeouts.verify: expected a duration such as 90, "90s", "10m" or "1h30m", '
        'found "1:30"; did you mean "1m30s"?'),
    Bad("minutes-in-words", MINIMAL + "expires: 90 minutes\n",
        '3:10: expires: expected a duration such as 90, "90s", "10m" or "1h30m", '
        'found "90 minutes"; did you mean "90m"?'),
    Bad("capital-unit", MINIMAL + "expires: 4H\n",
        '3:10: expires: expected a duration such as 90, "90s", "10m" or "1h30m", '
        'found "4H"; did you mean "4h"?'),
    Bad("units-in-disorder", MINIMAL + "expires: 5m1h\n",
        '3:10: expires: expected a duration such as 90, "90s", "10m" or "1h30m", found "5m1h"'),
    Bad("negative", MINIMAL + "expires: -5\n",
        "3:10: expires: expected a duration of more than nothing and at most 7 days, "
        "found the number -5"),
    Bad("zero", MINIMAL + "expires: 0m\n",
        '3:10: expires: expected a duration of more than nothing and at most 7 days, found "0m"'),
    Bad("for-ever", MINIMAL + "expires: .inf\n",
        "3:10: expires: expected a duration of more than nothing and at most 7 days, "
        "found the number .inf"),
    Bad("not-a-number", MINIMAL + "expires: .nan\n",
        '3:10: expires: expected a duration such as 90, "90s", "10m" or "1h30m", '
        "found the number .nan"),
    Bad("eight-days", MINIMAL + "expires: 8d\n",
        '3:10: expires: expected a duration of more than nothing and at most 7 days, found "8d"'),
    Bad("duration-true", MINIMAL + "expires: true\n",
        '3:10: expires: expected a duration such as 90, "90s", "10m" or "1h30m", found true'),
    Bad("user-with-space", MINIMAL + "servers: {user: root ; id}\n",
        '3:17: servers.user: expected a user\'s name, found "root ; id"'),
    Bad("user-list", MINIMAL + "servers: {user: [root]}\n",
        "3:17: servers.user: expected text, found a list"),
    Bad("role-all", MINIMAL + "servers:\n  roles:\n    all: {}\n",
        '5:5: servers.roles.all: expected another name ("all" stands for every server), '
        'found "all"'),
    Bad("upgrade-null", MINIMAL + "upgrade:\n",
        "3:9: upgrade: expected a mapping, found nothing"),
    Bad("upgrade-as-text", MINIMAL + "upgrade: main\n",
        '3:10: upgrade: expected a mapping, found "main"'),
    Bad("upgrade-near-key", MINIMAL + "upgrade: {form: main}\n",
        '3:11: upgrade.form: unknown key; did you mean "from"?'),
    Bad("upgrade-from-null", MINIMAL + "upgrade: {from: }\n",
        "3:16: upgrade.from: expected text, found nothing"),
    Bad("upgrade-pattern", MINIMAL + "upgrade: {no_replace: web}\n",
        '3:23: upgrade.no_replace: expected a list, found "web"; did you mean "[web]"?'),
    Bad("role-patterns", MINIMAL + "servers: {roles: {web: {names: web-*}}}\n",
        '3:32: servers.roles.web.names: expected a list, found "web-*"; did you mean "[web-*]"?'),
    Bad("description-list", MINIMAL + "description: [a]\n",
        "3:14: description: expected text, found a list"),
    Bad("null-parameter", "stack:\n  template: stacks/web.yaml\n  parameters:\n    a:\n" + SPECS,
        "4:7: stack.parameters.a: expected a value, found nothing"),
    Bad("infinite-parameter", "stack:\n  template: stacks/web.yaml\n  parameters: {a: [.inf]}\n"
        + SPECS, '3:19: stack.parameters.a: expected a value that JSON can hold, found "inf"'),
]  # fmt: skip

BAD_STEPS = [
    Bad("step-unknown", MINIMAL + "configure:\n- clod-init\n",
        '4:3: configure[0]: expected a step ("cloud-init", "script", "ansible", '
        '"puppet" or "chef"), found "clod-init"; '
        'did you mean "cloud-init"?'),
    Bad("step-unknown-key", MINIMAL + "configure:\n- scripts: {path: x}\n",
        '4:3: configure[0].scripts: unknown step; expected "cloud-init", '
        '"script", "ansible", "puppet" or "chef"; '
        'did you mean "script"?'),
    Bad("step-number", MINIMAL + "configure: [3]\n",
        '3:13: configure[0]: expected a step ("cloud-init", "script", "ansible", '
        '"puppet" or "chef"), found the number 3'),
    Bad("step-null", MINIMAL + "configure:\n-\n",
        '4:2: configure[0]: expected a step ("cloud-init", "script", "ansible", '
        '"puppet" or "chef"), found nothing'),
    Bad("chef-without-cookbooks", MINIMAL + "configure: [{chef: {run_list: x}}]\n",
        "3:14: configure[0].chef.cookbook_path: the required key is missing"),
    Bad("secret-of-nowhere", MINIMAL
        + "configure: [{script: {path: scripts/setup.sh, environment: {A: {form: B}}}}]\n",
        "3:64: configure[0].script.environment.A: expected {from: VARIABLE} or {file: PATH}, "
        "found a mapping"),
    Bad("vault-password-in-the-open", MINIMAL
        + "configure: [{ansible: {playbook: scripts/setup.sh, vault_password: x}}]\n",
        "3:68: configure[0].ansible.vault_password: expected {from: VARIABLE} or {file: PATH}, "
        'found "x"'),
    Bad("serverspec-empty", MINIMAL + "serverspec: {}\n",
        "3:13: serverspec: a pipeline without specs proves nothing"),
    Bad("steps-mapping", MINIMAL + "configure:\n  script: {path: scripts/setup.sh}\n",
        "4:3: configure: expected a list, found a mapping"),
    Bad("script-alone", MINIMAL + "configure: [script]\n",
        '3:13: configure[0]: expected "script: PATH", found "script"'),
    Bad("script-not-indented", MINIMAL + "configure:\n- script:\n  path: scripts/setup.sh\n",
        '5:3: configure[0].path: "script" and "path" in one step; indent it under "script"'),
    Bad("two-steps-in-one", MINIMAL + "configure:\n- cloud-init:\n  script: scripts/setup.sh\n",
        '5:3: configure[0].script: "cloud-init" and "script" in one step; begin another item'),
    Bad("script-without-path", MINIMAL + "configure:\n- script: {timeout: 3}\n",
        "4:3: configure[0].script.path: the required key is missing"),
    Bad("script-null", MINIMAL + "configure:\n- script:\n",
        "4:3: configure[0].script.path: the required key is missing"),
    Bad("script-list", MINIMAL + "configure:\n- script: [a]\n",
        "4:11: configure[0].script: expected a mapping, found a list"),
    Bad("script-near-key", MINIMAL
        + "configure:\n- cloud-init\n- script:\n    path: scripts/setup.sh\n    tiemout: 3\n",
        '7:5: configure[1].script.tiemout: unknown key; did you mean "timeout"?'),
    Bad("script-variable", MINIMAL
        + "configure: [{script: {path: scripts/setup.sh, environment: {A-B: x}}}]\n",
        "3:61: configure[0].script.environment.A-B: expected a variable's name "
        '(letters, digits, _), found "A-B"'),
    Bad("script-null-variable", MINIMAL
        + "configure: [{script: {path: scripts/setup.sh, environment: {A: }}}]\n",
        "3:63: configure[0].script.environment.A: expected text, found nothing"),
    Bad("script-variable-list", MINIMAL
        + "configure: [{script: {path: scripts/setup.sh, environment: {A: [x]}}}]\n",
        "3:64: configure[0].script.environment.A: expected text, found a list"),
    Bad("script-no-roles", MINIMAL
        + "configure: [{script: {path: scripts/setup.sh, roles: []}}]\n",
        "3:54: configure[0].script.roles: expected at least one, found an empty list"),
    Bad("script-escaped-nul", MINIMAL
        + 'configure: [{script: {path: scripts/setup.sh, arguments: ["a\\0"]}}]\n',
        "3:59: configure[0].script.arguments[0]: expected text without NUL characters, "
        'found "a\\x00"'),
    Bad("cloud-init-text", MINIMAL + "configure: [{cloud-init: 5m}]\n",
        '3:26: configure[0].cloud-init: expected a mapping, found "5m"'),
]  # fmt: skip

BAD_PATHS = [
    Bad("folder-for-a-file", MINIMAL + "configure: [{puppet: specs}]\n",
        '3:22: configure[0].puppet.manifest: expected a file, found the directory "specs"'),
    Bad("file-for-a-folder", MINIMAL
        + "configure: [{puppet: {manifest: scripts/setup.sh, modules: [scripts/setup.sh]}}]\n",
        '3:61: configure[0].puppet.modules[0]: expected a directory, found the file '
        '"scripts/setup.sh"'),
    Bad("serverspec-in-python", MINIMAL + "serverspec: {all: [specs/web/test_http.py]}\n",
        "3:20: serverspec.all[0]: expected a spec file (*.rb) or a directory of specs, found "
        '"specs/web/test_http.py"'),
    Bad("template-missing", "stack: {template: stacks/wbe.yaml}\n" + SPECS,
        '1:19: stack.template: no such file: "stacks/wbe.yaml"; did you mean "stacks/web.yaml"?'),
    Bad("template-in-a-near-folder", "stack: {template: stack/web.yaml}\n" + SPECS,
        '1:19: stack.template: no such file: "stack/web.yaml"; did you mean "stacks/web.yaml"?'),
    Bad("template-nowhere", "stack: {template: heat/main.yml}\n" + SPECS,
        '1:19: stack.template: no such file: "heat/main.yml"'),
    Bad("template-a-directory", "stack: {template: stacks}\n" + SPECS,
        '1:19: stack.template: expected a file, found the directory "stacks"'),
    Bad("template-empty", 'stack: {template: ""}\n' + SPECS,
        '1:19: stack.template: expected the path of a file, found ""'),
    Bad("template-number", "stack: {template: 42}\n" + SPECS,
        "1:19: stack.template: expected the path of a file, found the number 42"),
    Bad("template-absolute", "stack: {template: /stacks/web.yaml}\n" + SPECS,
        '1:19: stack.template: "/stacks/web.yaml" is not relative to the repository\'s top; '
        'did you mean "stacks/web.yaml"?'),
    Bad("template-home", "stack: {template: ~/web.yaml}\n" + SPECS,
        '1:19: stack.template: "~/web.yaml" is not relative to the repository\'s top'),
    Bad("template-outside", "stack: {template: stacks/../../web.yaml}\n" + SPECS,
        '1:19: stack.template: "stacks/../../web.yaml" leads out of the repository'),
    Bad("template-linked-outside", "stack: {template: stacks/outside.yaml}\n" + SPECS,
        '1:19: stack.template: "stacks/outside.yaml" leads out of the repository, '
        "by a symbolic link"),
    Bad("template-linked-in-a-circle", "stack: {template: stacks/circle.yaml}\n" + SPECS,
        '1:19: stack.template: "stacks/circle.yaml" cannot be read: '
        "its symbolic links go in a circle"),
    Bad("name-too-long", "stack: {template: " + "a" * 300 + "}\n" + SPECS,
        f'1:19: stack.template: "{"a" * 300}" cannot be read: File name too long'),
    Bad("environment-missing",
        "stack: {template: stacks/web.yaml, environments: [stacks/env/smal.yaml]}\n" + SPECS,
        '1:51: stack.environments[0]: no such file: "stacks/env/smal.yaml"; '
        'did you mean "stacks/env/small.yaml"?'),
    Bad("file-missing", "stack: {template: stacks/web.yaml, files: {a: b}}\n" + SPECS,
        '1:47: stack.files.a: no such file: "b"'),
    Bad("script-missing", MINIMAL + "configure: [script: scripts/setup]\n",
        '3:21: configure[0].script.path: no such file: "scripts/setup"; '
        'did you mean "scripts/setup.sh"?'),
    Bad("spec-missing", STACK + "specs: {all: [spec/common]}\n",
        '2:15: specs.all[0]: no such file: "spec/common"; did you mean "specs/common"?'),
    Bad("spec-not-python", STACK + "specs: {all: [scripts/setup.sh]}\n",
        '2:15: specs.all[0]: expected a spec file (*.py) or a directory of specs, '
        'found "scripts/setup.sh"'),
]  # fmt: skip


@pytest.mark.parametrize(
    "bad", [*NOT_YAML, *NOT_A_PIPELINE, *BAD_STEPS, *BAD_PATHS], ids=lambda bad: bad.name
)
def test_one_clear_message_at_the_right_place(bad: Bad, tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree / "stacks/outside.yaml").symlink_to("/etc/passwd")
    (tree / "stacks/circle.yaml").symlink_to("circle.yaml")
    path = write(tree, "pipelines/bad.yaml", bad.content)
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, root=tree)
    assert [str(problem) for problem in caught.value.problems] == [
        f"pipelines/bad.yaml:{bad.message}"
    ]


def test_a_missing_file(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    write(tree, "pipelines/web.yaml", MINIMAL)
    with pytest.raises(PipelineFileError, match=r'no such file: "pipelines/wbe.yaml"; did you'):
        load_pipeline(tree / "pipelines/wbe.yaml", root=tree)


def test_a_huge_file(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    path = write(tree, "pipelines/huge.yaml", MINIMAL + "#" * 300_000)
    with pytest.raises(PipelineFileError, match=r"293 KiB is more than the 256 KiB"):
        load_pipeline(path, root=tree)


def test_an_alias_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = write(tree, "pipelines/bomb.yaml", "\n".join(lines))
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, root=tree)
    assert [str(problem) for problem in caught.value.problems] == [
        "pipelines/bomb.yaml:5:15: more than 20000 values, with aliases expanded"
    ]
