"""Hosts and masked groups at the gate: what is not the declared form is an offender, whatever wrote it."""

import pyarrow as pa
import pytest

from airlock.errors import DisclosureError
from airlock.gate.literals import demand_plain_literals
from airlock.gate.shapes import violations
from airlock.policy.formats import Host, MaskedGroups, output_of
from airlock.policy.groups import cut
from airlock.policy.model import OperatorSpec
from airlock.policy.path import ColumnPath


@pytest.mark.parametrize(
    "text",
    ["https://example.org", "example.org/x", "example.org:80", "ann@example.org", "Example.org", "a..b", ".a", "a.", "", "a b", "a_b", "é.org", "1.2.3.4", "a.0x1f", "a" * 64, "a." * 127 + "a", "[::1]"],
)  # fmt: skip
@pytest.mark.parametrize("layout", [pa.string(), pa.large_string(), pa.string_view()])
def test_no_host(text, layout):
    values = pa.array(["www.example.org", text, "ip"], layout)
    assert violations(values, Host(registered=False)) == 1
    assert violations(pa.array([text, "none"], layout), Host(registered=False, otherwise="none")) == 1


def test_no_registered_domain():
    names = pa.array(["example.org", "ip", "www.example.org", "org", "co.uk", "a.co.uk", "ann.github.io", "github.io"])
    assert violations(names, Host(registered=True)) == 4
    assert violations(names, Host(registered=False)) == 0


def test_groups():
    shape = MaskedGroups(char=".", pieces=cut("([a-z]+)=(.*)", [2]))
    assert violations(pa.array(["ab=...", "ab=", ".....", "", "ab=..x", "AB=...", "..=..", None]), shape) == 3


def test_a_text_of_the_policy_is_scanned():
    output = output_of(
        OperatorSpec(name="url", arguments={"to": "host", "otherwise": "ann.lee@example.org"}), pa.string(), unshaped=None
    )
    with pytest.raises(DisclosureError, match="holds EMAIL_ADDRESS"):
        demand_plain_literals("things", {ColumnPath.parse("x"): (output,)})


def test_what_is_looked_for_where(column, rules_of):
    """Domains and labels in front are anybody's, so hosts are scanned; but that they look like URLs is proper, and uniqueness counts."""
    rules = rules_of(
        {
            "id": column("int64", pseudonymize={"domain": "d"}),
            "host": column("string", url="host"),
            "domain": column("string", url="registered_domain"),
            "plate": column("string", mask={"pattern": "(.)(.*)", "groups": [2]}),
        },
        gate={"absent": ["URL"]},
    )
    by_name = {str(rule.path): rule for rule in rules.leaves}
    assert "URL" not in by_name["host"].forbidden
    assert "IP_ADDRESS" in by_name["host"].forbidden
    assert by_name["domain"].forbidden == by_name["host"].forbidden
    assert {"URL", "CREDIT_CARD"} <= set(by_name["plate"].forbidden)
    assert [name for name, rule in by_name.items() if rule.kept] == ["host", "domain", "plate"]
