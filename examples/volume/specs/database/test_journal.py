"""The journal has all releases that there were, whichever server wrote them."""

READ = """\
import sqlite3
journal = sqlite3.connect("file:/var/lib/journal/journal.sqlite?mode=ro", uri=True)
print(*(number for number, in journal.execute("SELECT number FROM releases")))
"""


def test_it_is_on_the_volume(host):
    assert host.mount_point("/var/lib/journal").filesystem == "ext4"
    assert host.mount_point("/var/lib/journal").device == "/dev/vdb"


def test_no_release_is_lost(host):
    release = int(host.file("/etc/journal-release").content_string)
    written = host.check_output("python3 -c %s", READ).split()
    assert [int(number) for number in written] == list(range(1, release + 1))
