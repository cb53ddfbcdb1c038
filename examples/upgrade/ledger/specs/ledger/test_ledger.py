"""The ledger."""


def test_entries_are_there(host):
    assert host.file("/srv/ledger/entries").size > 0


def test_entries_are_roots(host):
    assert host.file("/srv/ledger/entries").user == "root"
