"""`url`: a URL's host, or the registered domain of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator, reject
from airlock.operators._fields import INDIRECT, over_text, text_field
from airlock.operators._hosts import host_names, hosts
from airlock.operators._suffixes import registered_domains

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Url"]


@dataclass(kw_only=True, config=STRICT)
class Url(Operator):
    """Keep of a URL the host's name, or its registered domain: a public suffix and the label before it.

    Guarantee:
        Every output is a host's name in lower-case ASCII, `ip` for an address of any form in its place, or `otherwise`. User,
        password, port, path, query and fragment are gone. What is no URL with a host is rejected as `not-a-url`, or becomes
        `otherwise`; so does, for registered domains, a name that has none (`localhost`, `co.uk`).

    Source: ISO/IEC 20889:2018, generalization. RFC 3986, section 3: a scheme with `://`, or `//` alone, must stand first, so
    `mailto:` and names without a scheme are none. Names are as written: punycode stays, names that are not ASCII are
    none, one dot at the end goes. A backslash, a space or a control character before the path makes it none: programs
    disagree about what host that is. Suffixes are those of the Public Suffix List's ICANN part.

    Args:
        to: `host` or `registered_domain`.
        otherwise: `reject`, or the text for what has no such name.

    Example:
        >>> urls = pa.array(["https://ann:pw@shop.Example.co.uk:8443/cart?plate=B-XY-12", "http://192.0.2.1/", "mailto:ann@x.org"])
        >>> Url(to="registered_domain", otherwise="none").kernel(pa.field("u", pa.string()), None)(urls).to_pylist()
        ['example.co.uk', 'ip', 'none']
    """

    name: ClassVar[str] = "url"
    example: ClassVar[str] = "referrer: {type: string, class: quasi_identifier, url: {to: registered_domain, otherwise: none}}"
    shorthand: ClassVar[str | None] = "to"
    distributions: ClassVar[tuple[str, ...]] = ("publicsuffixlist",)

    to: Literal["host", "registered_domain"]
    otherwise: str = Field(default="reject", min_length=1)

    @property
    def contract(self) -> Contract:
        """A host may be one person's."""
        return Contract(technique="generalization", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same text type."""
        return text_field(self.name, field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Hosts on the bytes of the column; what they become, once for each distinct one."""
        del field, keys
        return over_text(self._named)

    def _named(self, values: pa.Array) -> pa.Array:
        found = hosts(values)
        made = self._labels(found.dictionary).cast(values.type).take(found.indices)
        if made.null_count == values.null_count:
            return made
        without = pc.and_(pc.is_valid(values), pc.is_null(made))
        if self.otherwise == "reject":
            reject("not-a-url", without)
        return pc.if_else(without, pa.scalar(self.otherwise, values.type), made)

    def _labels(self, texts: pa.Array) -> pa.Array:
        names = host_names(texts)
        if self.to == "host":
            return names
        domain = pc.and_(pc.is_valid(names), pc.not_equal(names, "ip"))
        domain = pc.fill_null(domain, fill_value=False)
        return pc.replace_with_mask(names, domain, registered_domains(names.filter(domain)))
