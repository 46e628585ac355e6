"""The origin of a request, and the network that limits count it by."""

import pytest

from valerix.chassis.limits.origin import Origin, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_limits_count_ipv6_by_the_network_of_one_host(address: str, network: str) -> None:
    assert network_of(address) == network
    assert Origin(address, "agent", secure=False).network == network
