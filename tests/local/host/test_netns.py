"""What needs no root: labels, names, and which complaints of ``ip`` matter."""

from __future__ import annotations

from infraci.local.host.netns import (
    Namespace,
    _first_complaint,
    clip,
    digest,
    label_text,
    label_values,
    mac_for,
    short,
)

GONE = ("Cannot find device",)


def test_labels_survive_the_kernel() -> None:
    labels = {"cloud": "root:/home/a b/état", "run": 'r"1', "expires": "2026-01-01T00:00:00Z"}
    text = label_text(labels)
    assert text.startswith('"infraci ')
    assert text.isascii()
    assert label_values(text.strip('"')) == labels


def test_alias_of_somebody_else_is_no_label() -> None:
    assert label_values("") is None
    assert label_values("uplink to rack 4") is None
    assert label_values("infraci") == {}


def test_long_label_is_clipped_to_fit_and_stays_itself() -> None:
    one, two = "x" * 300 + "1", "x" * 300 + "2"
    assert clip(one) == clip(one)
    assert clip(one) != clip(two)
    assert clip(clip(one)) == clip(one)
    labels = dict.fromkeys(("cloud", "id", "run"), one)
    assert len(label_text(labels)) <= 255


def test_names_fit_a_device() -> None:
    uuid = "d8e02d56-2648-49a3-bf97-6be8f1204f38"
    assert short(uuid) == "d8e02d5626"
    assert len(f"iqg{short(uuid)}") <= 15
    assert len(f"qr{digest(uuid, '10.0.0.1')}") <= 15


def test_mac_address_is_local_and_always_the_same() -> None:
    assert mac_for("bridge", "a") == mac_for("bridge", "a") != mac_for("bridge", "b")
    assert mac_for("bridge", "a").startswith("02:")
    assert len(mac_for("bridge", "a").split(":")) == 6


def test_trouble_names_the_line_it_is_about() -> None:
    stderr = (
        'Cannot find device "eth9"\nCommand failed -:1\n'
        "RTNETLINK answers: Network is unreachable\nCommand failed -:2\n"
    )
    batch = ["link del eth9", "route add default via 10.0.0.1"]
    assert _first_complaint(stderr, batch, GONE) == (
        "Network is unreachable (route add default via 10.0.0.1)"
    )


def test_tolerated_trouble_is_none() -> None:
    stderr = 'Cannot find device "eth9"\nCommand failed -:1\n'
    assert _first_complaint(stderr, ["link del eth9"], GONE) is None


def test_trouble_without_a_line() -> None:
    stderr = "Error: Peer netns reference is invalid.\n"
    assert _first_complaint(stderr, [], GONE) == "Peer netns reference is invalid."


def test_namespace_that_is_not_there() -> None:
    nowhere = Namespace("infraci-s-nowhere")
    assert not nowhere.exists()
    assert nowhere.labels() is None
    assert nowhere.show("link") == []
    nowhere.ip_undo(["link del eth0"])
