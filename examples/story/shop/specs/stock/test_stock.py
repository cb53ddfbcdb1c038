"""The stock server."""

import json


def test_service_runs(host):
    assert host.service("stock").is_running


def test_list_is_served(host):
    stock = json.loads(host.check_output("curl --silent --fail http://localhost:8000/stock.json"))
    assert stock["apples"] == 12
