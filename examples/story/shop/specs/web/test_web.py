"""A web server of the shop."""


def test_service_is_enabled(host):
    assert host.service("web").is_enabled


def test_port_is_open(host):
    assert host.socket("tcp://0.0.0.0:80").is_listening


def test_page_is_served(host):
    page = host.run("curl --silent --show-error --fail http://localhost/")
    assert "The shop is open" in page.stdout, page.stderr


def test_stock_is_known(host):
    assert host.file("/srv/web/stock.json").contains("apples")
