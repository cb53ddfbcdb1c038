"""Notes of a plan about what the embedded cloud keeps without its effect."""

from __future__ import annotations

from infraci.heat import PreviewResource, StackPreview
from infraci.plan.fidelity import fidelity_notices


def server(name: str, **properties: object) -> PreviewResource:
    return PreviewResource(
        name=name, type="OS::Nova::Server", path=name, stack_name="s", properties=properties
    )


def notices(*resources: PreviewResource) -> list[str]:
    return list(fidelity_notices(StackPreview(name="s", description="", resources=resources)))


def test_one_line_names_all_resources_of_a_property() -> None:
    assert notices(server("a", availability_zone="x"), server("b", availability_zone="y")) == [
        'availability_zone of "a" and "b" has no effect on the embedded cloud: '
        "there is one zone, nova"
    ]


def test_many_resources_are_counted() -> None:
    (notice,) = notices(*(server(str(number), admin_pass="x") for number in range(9)))
    assert notice.startswith('admin_pass of "0", "1", "2", "3" and 5 more ')


def test_what_is_not_set_is_not_told() -> None:
    networks = [{"network": "net", "tag": None}]
    assert notices(server("a", availability_zone=None, networks=networks)) == []


def test_a_property_within_a_list_is_told() -> None:
    networks = [{"network": "net", "tag": None}, {"network": "other", "tag": "x"}]
    (notice,) = notices(server("a", networks=networks))
    assert notice.startswith('networks.tag of "a"')


def test_a_value_with_another_effect_is_told() -> None:
    (notice,) = notices(server("a", user_data_format="SOFTWARE_CONFIG"))
    assert notice.startswith('user_data_format SOFTWARE_CONFIG of "a" has another effect')
    assert notices(server("a", user_data_format="RAW")) == []


def test_a_property_with_another_effect_is_told() -> None:
    (notice,) = notices(server("a", block_device_mapping_v2=[{"volume_id": "v"}]))
    assert notice.startswith(
        'block_device_mapping_v2.volume_id of "a" has another effect on the embedded cloud: this'
    )


def test_a_value_with_another_effect_is_told_of_any_entry() -> None:
    devices = [{"image": "i", "boot_index": -1}, {"image": "i", "boot_index": 0}]
    (notice,) = notices(server("a", block_device_mapping_v2=devices))
    assert notice.startswith('block_device_mapping_v2.boot_index 0 of "a" has another effect')
    assert notices(server("a", block_device_mapping_v2=devices[:1])) == []


def test_the_version_of_ip_is_told() -> None:
    def subnet(version: int) -> PreviewResource:
        return PreviewResource(
            name="s",
            type="OS::Neutron::Subnet",
            path="s",
            stack_name="s",
            properties={"ip_version": version},
        )

    (notice,) = notices(subnet(6))
    assert notice.startswith('ip_version 6 of "s" has another effect on the embedded cloud: ')
    assert notices(subnet(4)) == []


def test_a_type_that_is_kept_as_a_whole() -> None:
    alarm = PreviewResource(
        name="busy", type="OS::Aodh::EventAlarm", path="busy", stack_name="s", properties={}
    )
    assert notices(alarm) == [
        'OS::Aodh::EventAlarm of "busy" has no effect on the embedded cloud: nothing measures '
        "servers or tells of events here, so that it never fires"
    ]
