"""The front has asked the store."""


def test_it_knows_the_goods(host):
    assert host.file("/srv/goods.txt").content_string == "tea, coffee\n"
