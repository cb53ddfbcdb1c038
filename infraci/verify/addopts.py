"""The options that a repository's own pytest configuration adds.

They are honoured, but for those that would fight with how specs are run here (which servers,
how many processes, which reports), and those of plugins that are not installed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

#: Options with a value.
_VALUED = frozenset(
    """
    -n --numprocesses --maxprocesses --dist --tx --px --rsyncdir --rsyncignore
    --hosts --connection --ssh-config --ssh-extra-args --ssh-identity-file --ansible-inventory
    --junitxml --junit-xml --junitprefix --junit-prefix --report-log --html --css --log-file
    --rootdir -c --config-file --confcutdir --basetemp --pdbcls
    --infraci --infraci-cloud --infraci-run
    """.split()  # noqa: SIM905
)
_FLAGS = frozenset(
    """
    -f --looponfail -d --force-ansible --nagios --pdb --trace --strict-config --strict
    --collect-only --co --setup-only --setup-plan --fixtures --funcargs --fixtures-per-test
    --markers --version -V --help -h --infraci-keep
    """.split()  # noqa: SIM905
)


def without_clashes(
    options: Sequence[str],
    parse: Callable[[list[str]], tuple[Sequence[str], Sequence[str]]],
) -> tuple[list[str], list[str]]:
    """Divide ``options`` into those to keep and those to leave out.

    ``parse`` says what pytest takes for paths and what it does not know.
    """
    kept: list[str] = []
    left_out: list[str] = []
    tokens = iter(options)
    for token in tokens:
        name, has_value, _ = token.partition("=")
        if token in _FLAGS:
            left_out.append(token)
        elif name in _VALUED:
            left_out.append(token)
            if not has_value and (value := next(tokens, None)) is not None:
                left_out.append(value)
        elif token[:2] in {"-n", "-c"} and not token.startswith("--"):
            left_out.append(token)
        else:
            kept.append(token)
    paths, unknown = parse(kept)
    # The value of an unknown option looks like a path.
    strangers = {*paths, *unknown}
    left_out += [token for token in kept if token in strangers]
    return [token for token in kept if token not in strangers], left_out
