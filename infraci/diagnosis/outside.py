"""Tells from an output that a mirror, registry or name server failed, and not the commit.

It knows what package managers, git and registries print when a service cannot be reached: the same
commit may pass a minute later. Refusals of a service that answers ("404", "Unable to locate
package", a wrong password, a name that does not exist) are not here: the commit caused them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from infraci.diagnosis.reason import is_aftermath, is_aside, is_cause, plain_lines


class Signature(NamedTuple):
    """What a program prints when a mirror, registry or name server is in trouble."""

    program: str
    prints: str  # an example
    pattern: re.Pattern[
        str
    ]  # its group "host", if there is one, is the server that does not answer


def _signature(program: str, prints: str, pattern: str) -> Signature:
    return Signature(program, prints, re.compile(pattern))


_BUSY = r"(?:429|50[0234])"  # rate limits, and servers in trouble
_HOST = r"(?P<host>[^\s:/'\"]+)"

#: By program; docs/failures.md shows them.
SIGNATURES = (
    _signature(
        "apt",
        "Temporary failure resolving 'deb.debian.org'",
        rf"Temporary failure resolving '{_HOST}'",
    ),
    _signature(
        "apt",
        "Could not connect to deb.debian.org:80 (192.0.2.1). - connect (111: Connection refused)",
        rf"(?:Could not|Unable to) connect to {_HOST}:\S+"
        r"(?:.*, connection timed out|.* - connect \(1(?:04|10|11): )",
    ),
    _signature(
        "apt",
        "Failed to fetch http://deb.debian.org/… 503  Service Unavailable [IP: 192.0.2.1 80]",
        rf"(?:^|\s){_BUSY}  [A-Z].*\[IP: ",
    ),
    _signature(
        "apt",
        "Connection failed [IP: 192.0.2.1 80]",
        r"(?:Connection failed|Connection timed out|Error reading from server\b.*"
        r"|Could not handshake: .*(?:pull function|unexpected TLS packet|TLS connection was)\b.*"
        r"|Could not wait for server fd\b.*|Undetermined Error) \[IP: ",
    ),
    _signature("apt", "Hash Sum mismatch", r"Hash Sum mismatch"),
    _signature("apt", "Mirror sync in progress?", r"Mirror sync in progress\?"),
    _signature(
        "apt",
        "Release file for http://deb.debian.org/… is expired (invalid since 3d)",
        r"Release file for (?!\S*snapshot)\S+ is (?:expired|not valid yet)",
    ),
    _signature(
        "apt",
        "Clearsigned file isn't valid, got 'NODATA' (does the network require authentication?)",
        r"does the network require authentication\?",
    ),
    _signature(
        "dnf, yum",
        "Status code: 503 for https://mirrors.fedoraproject.org/…",
        rf"Status code: {_BUSY} for https?://",
    ),
    _signature(
        "dnf, yum",
        "Curl error (28): Timeout was reached for https://mirrors.fedoraproject.org/…",
        r"Curl error \((?:5|6|7|18|28|52|55|56|92|35(?=.*(?:reset by peer|timed out|timeout|eof)))"
        r"\): .* for https?://",
    ),
    _signature(
        "zypper",
        "Location 'https://download.opensuse.org/…' is temporarily unaccessible.",
        r"Location '\S+' is temporarily unaccessible|^Timeout exceeded when accessing '\S+'",
    ),
    _signature(
        "apk",
        "ERROR: https://dl-cdn.alpinelinux.org/…: temporary error (try again later)",
        r"https?://\S+: (?:temporary error \(try again later\)|network error \(check Internet"
        r"|network connection aborted|operation timed out|connection refused)",
    ),
    _signature(
        "pip",
        "Retrying (…) after connection broken by 'ReadTimeoutError(…)'",
        r"after connection broken by '(?:(?:Read|Connect)TimeoutError|ProtocolError|ProxyError"
        r"|NewConnectionError.*(?:\[Errno -3\]|\[Errno 1(?:04|10|11)\])"
        r"|SSLError.*(?:EOF occurred|timed out))",
    ),
    _signature(
        "pip",
        "HTTPSConnectionPool(host='pypi.org', port=443): Read timed out.",
        r"(?:Max retries exceeded .*(?:\[Errno (?:-3|104|110|111)\]|ConnectTimeoutError|too many"
        r" (?:429|50\d) error)|HTTPS?ConnectionPool\(.*Read timed out)",
    ),
    _signature(
        "npm",
        "npm ERR! request to https://registry.npmjs.org/… failed, reason: getaddrinfo EAI_AGAIN",
        r"^npm (?:ERR!|error) .*(?:request to \S+ failed, reason: .*(?:EAI_AGAIN|ECONNRESET"
        r"|ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|socket hang up|timeout)|network timeout"
        rf"|\bcode (?:E{_BUSY}|EAI_AGAIN|ECONNRESET|ECONNREFUSED|ETIMEDOUT|ERR_SOCKET_TIMEOUT)\b"
        rf"|\b{_BUSY} .* - [A-Z]+ https?://)",
    ),
    _signature(
        "gem",
        "Unable to download data from https://rubygems.org/ - Net::OpenTimeout",
        r"(?:Unable to download data from|Could not fetch specs from|Could not reach host) .*"
        rf"(?:Temporary failure|Errno::E|Timeout|timeout|\b{_BUSY}\b|network error)",
    ),
    _signature(
        "docker, podman",
        'Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout',
        r"(?:net/http: TLS handshake timeout|net/http: request canceled|Client\.Timeout exceeded"
        r"|(?:dial|read) tcp\b.*(?:connection refused|connection reset by peer|i/o timeout"
        r"|server misbehaving|Temporary failure))",
    ),
    _signature(
        "docker, podman",
        "toomanyrequests: You have reached your pull rate limit",
        r"toomanyrequests: |too many requests to registry"
        rf"|(?:invalid status code from registry|received unexpected HTTP status:) {_BUSY}\b",
    ),
    _signature(
        "puppet module",
        "Request to https://forgeapi.puppet.com/… failed after 5.1 seconds: … Connection refused",
        r"Request to https?://\S+ (?:failed after .*(?:Temporary failure|refused|reset|timed out"
        r"|[Tt]imeout|execution expired)|timed out)",
    ),
    _signature(
        "puppet module",
        "The HTTP response we received was '503 Service Unavailable'",
        rf"The HTTP response we received was '{_BUSY}\b",
    ),
    _signature(
        "ansible-galaxy",
        "Error when … from default (https://galaxy.ansible.com) (HTTP Code: 503, Message: …)",
        rf"\bCode: {_BUSY}, Message",
    ),
    _signature(
        "wget",
        "wget: unable to resolve host address 'example.com'",
        r"unable to resolve host address .(?P<host>[\w.-]+)|wget: bad address '(?P<name>[\w.-]+)'",
    ),
    _signature(
        "wget",
        "Connecting to example.com|192.0.2.1|:443... failed: Connection timed out.",
        r"^(?:(?:Connecting to|Resolving) (?P<host>[^\s|]+).*)?"
        r"failed: (?:Connection (?:refused|timed out|reset by peer)|Temporary failure)"
        r"|^Read error \((?:Connection|The TLS)|^GnuTLS: Error in the pull function"
        r"|can't connect to remote host .*(?:refused|timed out)|^wget: download timed out",
    ),
    _signature(
        "wget", "ERROR 503: Service Unavailable.", rf"\bERROR {_BUSY}: |HTTP/1\.\d {_BUSY} "
    ),
    _signature(
        "curl, git",
        "Could not resolve host: github.com",
        r"(?:Could not|Couldn't) resolve (?:host|proxy)(?: name)?: (?P<host>[\w.-]+)",
    ),
    _signature(
        "curl, git",
        "Failed to connect to github.com port 443: Connection timed out",
        r"Failed to connect to (?P<host>\S+) port \d+.*: (?:Connection refused|Connection timed"
        r" out|Could not connect to server|Couldn't connect to server|Timeout was reached"
        r"|Operation timed out)",
    ),
    _signature(
        "curl, git",
        "The requested URL returned error: 503",
        rf"The requested URL returned error: {_BUSY}\b",
    ),
    _signature(
        "curl, git",
        "Recv failure: Connection reset by peer",
        r"(?:(?:Recv|Send) failure: Connection (?:reset by peer|timed out)|Empty reply from server"
        r"|SSL_connect: (?:Connection reset by peer|SSL_ERROR_SYSCALL)"
        r"(?: in connection to (?P<host>[\w.-]+))?|unexpected eof while reading"
        r"|transfer closed with (?:outstanding|\d+ bytes)"
        r"|HTTP/2 stream \d+ was not closed cleanly)",
    ),
    _signature(
        "curl, git",
        "Operation timed out after 5000 milliseconds with 0 bytes received",
        r"(?:(?:Operation|Connection|Resolving) timed out after \d+|SSL connection timeout"
        r"|Operation too slow\.)",
    ),
    _signature(
        "ssh, git",
        "ssh: connect to host github.com port 22: Connection timed out",
        r"ssh: connect to host (?P<host>\S+) port \d+: Connection (?:refused|timed out)"
        r"|^Connection (?:reset|closed) by (?P<by>\S+) port \d+"
        r"|^Connection to (?P<to>\S+) port \d+ timed out",
    ),
    _signature(
        "Ansible's modules",
        "Failed to update apt cache: unknown reason",
        r"Failed to update apt cache(?: after \d+ retries)?: (?:unknown reason|, unknown reason|$)",
    ),
    _signature(
        "anything",
        "Temporary failure in name resolution",
        r"(?:(?:host ?name|host|address) ['\"]?(?P<host>[\w.-]+).*|^\S+: (?P<name>[\w.-]+): )?"
        r"Temporary failure in name resolution",
    ),
    _signature(
        "Python",
        "<urlopen error [Errno 110] Connection timed out>",
        r"(?:<urlopen error|^error) (?:\[Errno (?:104|110|111)\]|timed out|.*handshake operation"
        rf" timed out)|HTTP Error {_BUSY}: |^[\w.]*HTTPError: {_BUSY} "
        r"|^[\w.]*ConnectionError: .*(?:ResetError|Remote end closed)"
        r"|^TimeoutError: The (?:read|handshake) operation",
    ),
)

#: These connect only to a mirror or registry, so they need not name it.
_MIRRORS_ONLY = {"apt", "dnf, yum", "zypper", "apk", "pip", "npm", "gem", "docker, podman",
                 "puppet module", "ansible-galaxy", "Ansible's modules", "anything"}  # fmt: skip
#: What these print later is missing because of them.
_INSTALLERS = {"apt", "dnf, yum", "zypper", "apk", "pip", "npm", "gem", "Ansible's modules"}
#: So many other lines may follow the one that tells: a script's own last words.
_LAST_WORDS = 3
#: A name that does not exist was asked for by the commit.
_NO_SUCH_NAME = re.compile(r"Name or service not known|no such host|ENOTFOUND")
#: What cannot be there when a package list or a package could not be fetched.
_NOT_FETCHED = re.compile(
    r"""
      ^E:\ (?:Unable\ to\ locate\ package|Package\ .*\ has\ no\ installation\ candidate
        |Couldn't\ find\ any\ package|Version\ .*\ was\ not\ found
        |The\ repository\ .*\ (?:does\ not\ have|no\ longer\ has)\ a\ Release\ file)
    | ^(?:No\ match\ for\ argument|Error:\ Unable\ to\ find\ a\ match|Package\ '.*'\ not\ found
        |No\ package\ matching\ .*\ is\ available|No\ provider\ of)
    | ^ERROR:\ Could\ not\ find\ a\ version\ .*\(from\ versions:\ none\)
    | ^ERROR:\ +Could\ not\ find\ a\ valid\ gem
    """,
    re.VERBOSE,
)
#: What is missing when a package was not installed.
_NOT_INSTALLED = re.compile(
    r"command not found$|: not found$|Unit \S+ (?:could )?not (?:be )?found"
    r"|Unit (?:file )?\S+ does not exist|No module named"
)
#: What shows that a script went on, and well.
_WENT_ON = re.compile(
    r"^(?:Get:\d|Fetched \d|Unpacking |Setting up |Successfully (?:installed|built)|added \d+ pack"
    r"|Complete!|Installed:|Resolving deltas: 100%|Receiving objects: 100%|Saved? |.* saved \["
    r"|OK: \d+ .*packages|\d+ gems? installed|Collecting |Downloading )|\(from versions: (?!none)"
)
_URL = re.compile(r"\b(?:https?|ftp)://(?:[^@/\s'\"]*@)?(\[[^]]+\]|[^/:\s'\"\])>,]+)")
_NAMED = re.compile(
    r"\bhost='([^']+)'|\blookup (\S+) on |(?:dial|read) tcp (?:\S+->)?(\S+):\d+"
    r"|\b(?:to|at) \"?([\w.-]+)\"?(?: \([^)]*\))?,? port \d+"
)
_IP = re.compile(r"\[IP: (\S+)")
#: How near to a line the address that it is about may stand.
_NEAR = (-1, -2, -3, 1, 2)
_PRIVATE = [
    ipaddress.ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"),
        *("0.0.0.0/32", "::1/128", "fc00::/7", "fe80::/10"),
    )
]


def outside_cause(text: str, *, own_hosts: Collection[str] = (), source: str = "") -> str | None:
    """The line that tells of an unreachable mirror or registry as the cause; None if none does.

    ``text`` is the output of what failed, read from its end: up to an error of another kind, or
    to a line that shows that the script went on. ``own_hosts`` are the stack's servers: if these,
    or others of a private network, do not answer, the commit is to blame. ``source`` is the script
    itself, for programs that do not name the server that they asked.
    """
    lines = [line for line in plain_lines(text) if not is_aside(line)]
    others, needs_installer = 0, False
    for at in reversed(range(len(lines))):
        line = lines[at]
        signature = _signature_of(line)
        if signature is not None:
            if needs_installer and signature.program not in _INSTALLERS:
                return None
            if any(_NO_SUCH_NAME.search(near) for near in lines[max(0, at - 1) : at + 1]):
                return None
            return line if _is_outside(signature, lines, at, own_hosts, source) else None
        if _NOT_INSTALLED.search(line) or _NOT_FETCHED.search(line):
            needs_installer = True
        elif _WENT_ON.search(line) or (is_cause(line) and not _is_own_words(lines, at)):
            return None
        elif not is_aftermath(line):
            others += 1
            if others > _LAST_WORDS:
                return None
    return None


def _signature_of(line: str) -> Signature | None:
    return next((s for s in SIGNATURES if s.pattern.search(line)), None)


def _is_own_words(lines: Sequence[str], at: int) -> bool:
    """Whether an error is what a script prints, right after another's: "error: no download"."""
    return at > 0 and lines[at].lower().startswith("error") and not lines[at].startswith("Error: ")


def _is_outside(
    signature: Signature,
    lines: Sequence[str],
    at: int,
    own_hosts: Collection[str],
    source: str,
) -> bool:
    named = signature.pattern.search(lines[at])
    groups = named.groupdict().values() if named else ()
    hosts = [*_hosts(lines[at]), *filter(None, groups)]
    near = [at + offset for offset in _NEAR if 0 <= at + offset < len(lines)]
    for number in near:
        hosts = hosts or list(_hosts(lines[number]))
    hosts = hosts or _IP.findall(lines[at])
    if hosts:
        return not _is_own(hosts[0], own_hosts)
    if signature.program in _MIRRORS_ONLY:
        return True
    source_hosts = list(_hosts(source))
    return bool(source_hosts) and not any(_is_own(host, own_hosts) for host in source_hosts)


def _hosts(line: str) -> Iterator[str]:
    """The servers that a line names by a URL, or in the words of its program."""
    yield from _URL.findall(line)
    for names in _NAMED.findall(line):
        yield from filter(None, names)


def _is_own(host: str, own_hosts: Collection[str]) -> bool:
    """Whether a host is one of the stack, or of another private network, or not even known."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        own = {name.lower() for name in own_hosts}
        first, dot, _ = host.partition(".")
        return not dot or host in own or first in own or bool(re.search(r"[${}%]", host))
    return host in own_hosts or any(address in network for network in _PRIVATE)
