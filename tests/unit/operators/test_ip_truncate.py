"""ip_truncate: against the standard library's ipaddress."""

import ipaddress

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airlock.operators import RejectedValuesError
from airlock.operators.ip_truncate import IpTruncate
from airlock.types import Classification


def dotted_tail(address):
    return address.exploded[:-9] + str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))


GROUPS = st.lists(st.just(0) | st.integers(0, 0xFFFF), min_size=8, max_size=8)
V6 = GROUPS.map(lambda groups: ipaddress.IPv6Address(sum(group << 112 - 16 * i for i, group in enumerate(groups))))
MAPPED = st.ip_addresses(v=4).map(lambda address: ipaddress.IPv6Address((0xFFFF << 32) | int(address)))
FORMS = st.sampled_from([str, lambda a: a.exploded, lambda a: a.exploded.upper(), lambda a: str(a).upper(), dotted_tail])
SIX = st.builds(lambda address, form: form(address), V6 | MAPPED, FORMS)
FOUR = st.ip_addresses(v=4).map(str)
BROKEN = st.text("0123456789abcdefF:.", max_size=20) | st.builds(
    lambda text, at, piece: text[: at % (len(text) + 1)] + piece + text[at % (len(text) + 1) :],
    SIX | FOUR,
    st.integers(0, 50),
    st.sampled_from([":", "::", ".", "0", "g", "%eth0", " ", "/24", "\n", "１"]),
)


def reference(text, v4, v6):
    """The truncated text, or None for what is no address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if address.version == 4:
        return str(ipaddress.IPv4Address(int(address) >> 32 - v4 << 32 - v4))
    if address.scope_id is not None:
        return None
    if address.ipv4_mapped is not None:
        return f"::ffff:{ipaddress.IPv4Address(int(address.ipv4_mapped) >> 32 - v4 << 32 - v4)}"
    return str(ipaddress.IPv6Address(int(address) >> 128 - v6 << 128 - v6))


@settings(deadline=None)
@given(st.lists(FOUR | SIX | BROKEN, max_size=12), st.integers(0, 31), st.integers(0, 127))
@example(["1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "::"], 24, 127)
@example(["1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1::2::3", ":::", ":", "1:", "12345::", "::1.2.3", "1.2.3.4::"], 24, 48)
@example(["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4", "::ffff:1.2.3.4"], 16, 120)
def test_as_the_standard_library(texts, v4, v6):
    kernel = IpTruncate(v4=v4, v6=v6).kernel(pa.field("c", pa.string()), None)
    want = [reference(text, v4, v6) for text in texts]
    if None in want:
        with pytest.raises(RejectedValuesError, match="not-an-address") as raised:
            kernel(pa.array(texts, pa.string()))
        assert raised.value.mask.to_pylist() == [made is None for made in want]
    known = [text for text, made in zip(texts, want, strict=True) if made is not None]
    assert kernel(pa.array(known, pa.string())).to_pylist() == [made for made in want if made is not None]


def test_both_families_and_nulls_keep_their_places():
    made = IpTruncate().kernel(pa.field("c", pa.string()), None)(pa.array([None, "::1", "192.0.2.1", None, "2001:db8::1"]))
    assert made.to_pylist() == [None, "::", "192.0.2.0", None, "2001:db8::"]


def test_values_do_not_show_in_rejections():
    with pytest.raises(RejectedValuesError, match=r"^1 of 2 values rejected: not-an-address$"):
        IpTruncate().kernel(pa.field("c", pa.string()), None)(pa.array(["Ann Example", "192.0.2.1"]))


def test_a_network_may_be_one_household():
    assert Classification.DIRECT_IDENTIFIER not in IpTruncate().contract.classes
