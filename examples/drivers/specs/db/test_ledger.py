"""What the database server must be."""


def test_the_ledger_knows_its_server(host):
    with host.sudo():
        assert host.file("/srv/ledger/where").content_string == "db\n"
