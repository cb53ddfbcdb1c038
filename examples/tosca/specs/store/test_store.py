"""The store answers on its port."""


def test_it_listens(host):
    assert host.socket("tcp://0.0.0.0:8080").is_listening
