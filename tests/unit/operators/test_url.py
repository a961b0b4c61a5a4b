"""url: hosts against the standard library's parser, registered domains against the library of the list."""

import re
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from airlock.operators import RejectedValuesError
from airlock.operators._hosts import hosts
from airlock.operators.url import Url
from airlock.types import Classification

SUFFIXES = PublicSuffixList(only_icann=True)
LABEL = st.sampled_from(
    [
        "www",
        "WWW",
        "co",
        "uk",
        "ck",
        "www",
        "kawasaki",
        "jp",
        "city",
        "org",
        "xn--p1ai",
        "a-1",
        "1",
        "0x1f",
        "",
        "a_b",
        "é",
        "c" * 63,
        "d" * 64,
    ]
)
HOST = st.lists(LABEL, min_size=1, max_size=6).map(".".join) | st.sampled_from(["[::1]", "[", "192.0.2.1", "a:b"])
SCHEME = st.sampled_from(
    [
        "http://",
        "https://",
        "HTTPS://",
        "Http://",
        "ftp://",
        "//",
        "s3+x://",
        "1a://",
        "://",
        "",
        "http:/",
        "see http://",
        "mailto:",
    ]
)
USER = st.sampled_from(["", "ann@", "ann:pw@", "a@b@", "é@", "a b@", "\\@"])
PORT = st.sampled_from(["", ":", ":80", ":8x", "::"])
REST = st.sampled_from(["", "/", "/a//b@c:1", "?q=1", "#x", "/\\ é", "\\", "\n", "\r", "\x00", "\x00/"])
URLS = st.builds(lambda *parts: "".join(parts), SCHEME, USER, HOST, PORT, REST)
NAME = re.compile(r"(?!.*\.\.)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*")


def reference(text):
    """The host's name, `ip`, or None: from urllib where it agrees with RFC 3986, with what this operator refuses on top."""
    authority = re.match(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#]*)", text)
    if authority is None or not re.fullmatch(r"[!-\[\]-~]*", authority[1]):
        return None
    assert urlsplit(f"//{authority[1]}").netloc == authority[1] if "[" not in authority[1] else True
    host = re.sub(r":[0-9]*\Z", "", authority[1].rpartition("@")[2]).lower()
    if re.fullmatch(r"\[[^\[\]]*\]", host):
        return "ip"
    host = host.removesuffix(".")
    if not NAME.fullmatch(host) or len(host) > 253:
        return None
    return "ip" if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]) else host


def made(texts, to, data_type=None):
    data_type = data_type or pa.string()
    kernel = Url(to=to, otherwise="!").kernel(pa.field("c", data_type), None)
    return kernel(pa.array(texts, data_type)).to_pylist()


@settings(deadline=None, max_examples=300)
@given(st.lists(URLS, max_size=30))
@example(["http://", "https://", "h", "", "http://a" * 3, "https://x", "https://" + "y" * 31, "https://" + "y" * 32 + "/"])
def test_hosts_as_a_parser_finds_them(texts):
    want = [reference(text) or "!" for text in texts]
    assert made(texts, "host") == want
    assert made(texts, "host", pa.string_view()) == want


@settings(deadline=None)
@given(st.lists(URLS, max_size=30))
def test_registered_domains_as_the_lists_own_library(texts):
    hosts_ = [reference(text) for text in texts]
    assert made(texts, "registered_domain") == [
        "!" if host is None else host if host == "ip" else SUFFIXES.privatesuffix(host) or "!" for host in hosts_
    ]


def test_each_rule_of_the_list():
    rules = [line.lstrip("!*.") for line in SUFFIXES._publicsuffix if line.isascii()]
    names = [f"{front}{rule}" for rule in rules for front in ("", "a.", "a.b.", "a.b.c.")]
    urls = [f"https://{name}/x" for name in names]
    assert made(urls, "registered_domain") == [SUFFIXES.privatesuffix(name) or "!" for name in names]
    assert len(rules) > 5_000


def test_blocks_of_many_values_join():
    texts = [f"https://{'www.' * (n % 12)}host{n % 700}.example/{n}" if n % 5 else "none" for n in range(70_000)]
    found = hosts(pa.array(texts).slice(3))
    assert found.slice(69_000).to_pylist() == [
        None if n % 5 == 0 else f"{'www.' * (n % 12)}host{n % 700}.example" for n in range(69_003, 70_000)
    ]


def test_only_what_is_no_url_is_rejected():
    kernel = Url(to="host").kernel(pa.field("c", pa.string()), None)
    with pytest.raises(RejectedValuesError, match="not-a-url") as raised:
        kernel(pa.array(["http://a.example", None, "x", "ftp://b.example:21"]))
    assert raised.value.mask.to_pylist() == [False, False, True, False]


def test_no_direct_identifier():
    assert Classification.DIRECT_IDENTIFIER not in Url(to="host").contract.classes
