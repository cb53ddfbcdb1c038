"""The options with which a server may mount a volume.

The kernel that reads the file system is this machine's, so that an option passes by its name only:
some name other devices, or what to do about a damaged file system, such as to stop the machine.

Source: mount(8), the kernel's Documentation/filesystems/{ext4,btrfs}, xfs(5)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infraci.local.errors import InvalidRequestError

_EXT = re.compile(
    r"(no)?(acl|user_xattr|barrier|discard|delalloc|auto_da_alloc|init_itable|quota|grpid|load"
    r"|recovery|i_version)"
    r"|barrier=[01]|data=(journal|ordered|writeback)|errors=(continue|remount-ro)"
    r"|(commit|stripe|resuid|resgid|min_batch_time|max_batch_time|init_itable"
    r"|inode_readahead_blks)=\d{1,9}"
    r"|journal_checksum|bsddf|minixdf|bsdgroups|sysvgroups|usrquota|grpquota|prjquota"
)
_XFS = re.compile(
    r"(no)?(attr2|barrier|discard|grpid|ikeep|largeio|align|uuid|recovery)"
    r"|bsdgroups|sysvgroups|inode32|inode64|swalloc|wsync|filestreams|swidth=\d{1,9}|sunit=\d{1,9}"
    r"|(logbufs|logbsize|allocsize)=\d{1,9}[kmg]?|usrquota|grpquota|prjquota|noquota"
    r"|[ugp]quota|[ugp]qnoenforce"
)
_BTRFS = re.compile(
    r"(no)?(acl|autodefrag|barrier|datacow|datasum|discard|enospc_debug|flushoncommit|ssd"
    r"|treelog|space_cache)"
    r"|compress(-force)?(=(zlib|lzo|zstd|no|none)(:\d{1,2})?)?|commit=\d{1,9}|space_cache=v[12]"
    r"|discard=(sync|async)|subvol=[^,]{1,255}|subvolid=\d{1,19}|user_subvol_rm_allowed"
)
_VFAT = re.compile(
    r"(uid|gid|umask|dmask|fmask|codepage)=\d{1,9}|iocharset=[\w-]{1,20}|utf8|quiet|flush|discard"
    r"|shortname=\w{1,10}|check=\w{1,10}|(no)?dots|showexec|errors=(continue|remount-ro)"
)
#: The file systems that a server may mount → their own options.
TYPES: Mapping[str, re.Pattern[str]] = {
    "ext2": _EXT, "ext3": _EXT, "ext4": _EXT, "xfs": _XFS, "btrfs": _BTRFS, "vfat": _VFAT,
}  # fmt: skip
#: Options of the mount itself.
_FLAGS = frozenset({"ro", "nosuid", "nodev", "noexec", "noatime", "strictatime", "nodiratime"})
#: Options of any file system.
_COMMON = frozenset({"ro", "rw", "sync", "dirsync", "lazytime"})
#: What programs of the server read, and what is so anyway. ``dev`` is not: see below.
_IGNORED = re.compile(
    r"defaults|(no)?auto|(no)?users?|owner|group|_netdev|nofail|remount|async|suid|dev|exec|atime"
    r"|diratime|relatime|norelatime|nostrictatime|nolazytime|silent|loud|[xX]-.*|comment=.*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MountOptions:
    """How a volume is to be mounted, by the kernel's names."""

    flags: tuple[str, ...]
    #: The file system's own: name and value, which is "" for one without.
    options: tuple[tuple[str, str], ...]


def parse_options(type_: str, text: str) -> MountOptions:
    """Read the options of a mount, as in ``rw,noatime``. Raises InvalidRequestError.

    Device nodes on the volume are never devices: users of this machine could open them.
    """
    own = TYPES.get(type_)
    if own is None:
        raise InvalidRequestError(f"unknown filesystem type '{type_}'")
    flags, options = {"nodev"}, dict(_always(type_))
    for option in filter(None, text.split(",")):
        name, _, value = option.partition("=")
        if option in _FLAGS:
            flags.add(option)
        if option in _COMMON or own.fullmatch(option):
            options[name] = value
        elif option not in _FLAGS and not _IGNORED.fullmatch(option):
            raise InvalidRequestError(
                f"the embedded cloud mounts no {type_} with the option {option}"
            )
    return MountOptions(flags=tuple(sorted(flags)), options=tuple(options.items()))


def _always(type_: str) -> Iterator[tuple[str, str]]:
    """Options that do no harm elsewhere, and that this machine needs."""
    if type_.startswith("ext"):
        yield "errors", "remount-ro"  # whatever the file system says itself, such as to panic
    elif type_ == "xfs":
        yield "nouuid", ""  # a volume and its copy may be mounted at once, in two servers
