"""Facts have valid forms, and texts hold only facts that a reader of the policy can expect to be found."""

import ipaddress
import re
import sys
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from stdnum import iban, luhn
from stdnum.us import ssn

from airlock.demo import facts
from airlock.demo.cells import AREAS, Cells, fill, make_cells, spread
from airlock.demo.customers import customers
from airlock.demo.draws import Draws
from airlock.demo.people import People
from airlock.demo.pools import LOCALES, make_pools
from airlock.demo.texts import REMARKS, TextPlan, free_texts
from airlock.demo.tickets import json_lines, tickets

ROWS = np.arange(500, dtype=np.uint64)
DRAWS = Draws(7)


@cache
def people() -> People:
    return People(20_000, DRAWS, make_pools(7))


def test_draws_are_frozen():
    # A change here would change all generated data.
    assert DRAWS.whole(ROWS, "frozen")[:2].tolist() == [13843810475643344343, 797616213968366139]


def test_draws_are_even_and_differ_by_purpose_and_seed():
    many = np.arange(50_000, dtype=np.uint64)
    counts = np.bincount(DRAWS.below(many, "even", 10))
    assert counts.min() > 4_700
    assert counts.max() < 5_300
    assert not (DRAWS.whole(many, "a") == DRAWS.whole(many, "b")).any()
    assert not (DRAWS.whole(many, "a") == Draws(8).whole(many, "a")).any()


def test_skew_prefers_small_numbers():
    assert DRAWS.below(ROWS, "x", 100, skew=3.0).mean() < 35 < DRAWS.below(ROWS, "x", 100).mean()


def test_cards_pass_luhn():
    made = facts.cards(DRAWS, ROWS, "card").to_pylist()
    assert len(set(made)) > 490
    assert all(len(card) == 16 and luhn.is_valid(card) for card in made)


def test_ibans_are_valid():
    made = facts.ibans(DRAWS, ROWS, "iban").to_pylist()
    assert {text[:2] for text in made} == {"DE", "GB"}
    assert all(iban.is_valid(text) for text in made)


def test_ssns_are_valid():
    made = facts.ssns(DRAWS, ROWS, "ssn").to_pylist()
    assert all(ssn.is_valid(text) and re.fullmatch(r"\d{3}-\d{2}-\d{4}", text) for text in made)


def test_ips_are_canonical_and_of_reserved_networks():
    made = [ipaddress.ip_address(text) for text in facts.ips(DRAWS, ROWS, "ip").to_pylist()]
    assert {address.version for address in made} == {4, 6}
    networks = [ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("2001:db8::/32")]
    assert all(any(address in network for network in networks) for address in made)
    assert [str(address) for address in made] == facts.ips(DRAWS, ROWS, "ip").to_pylist()


@pytest.mark.parametrize("rows", [5, 50, 449, 5_000, 200_000])
@pytest.mark.parametrize("dense", [False, True])
def test_cells_hold_everyone_and_six_at_least(rows, dense):
    counts = fill(make_cells(dense=dense), rows)
    assert counts.sum() == rows
    assert counts[counts > 0].min() >= min(6, rows)


def test_dense_cells_are_all_filled_in_the_example():
    counts = fill(make_cells(dense=True), 18_000)
    assert (counts >= 6).all()
    assert counts.max() > 2 * counts.min()


@pytest.mark.parametrize("rows", [1, 2, 10, 97, 1_000, 65_536])
def test_spread_is_a_permutation(rows):
    assert np.unique(spread(np.arange(rows, dtype=np.uint64), rows)).size == rows


def test_cells_are_heaviest_first():
    cells: Cells = make_cells(dense=False)
    assert (np.diff(cells.weight) <= 0).all()
    assert cells.weight.sum() == pytest.approx(1.028, abs=0.001)


def test_every_area_has_a_locale_with_names_and_three_characters_of_code():
    assert all(len(area.zip3) == 3 and 0 <= area.locale < len(LOCALES) for area in AREAS)
    pools = make_pools(7)
    for pool in (pools.female, pools.male, pools.last, pools.street):
        assert (pool.sizes > 20).all()
        assert pool.sizes.sum() == len(pool.texts)
    assert len(pools.ascii_last) == len(pools.last.texts)


def test_names_do_not_stand_in_words_that_are_kept():
    pools = make_pools(7)
    kept = ("female", "male", "home", "work", "mobile", "[street]", "[removed]", "[name]", "plan", "channel")
    names = {name.casefold() for pool in (pools.female, pools.male, pools.last) for name in pool.texts.to_pylist()}
    assert not {name for name in names if any(name in word for word in kept)}


def test_remarks_are_two_hundred_without_a_digit():
    assert len(set(REMARKS)) == 200
    assert not any(re.search(r"[\d@/]", remark) for remark in REMARKS)


def test_notes_are_few_different_texts_of_which_a_fiftieth_is_personal():
    notes = customers(people(), np.arange(20_000, dtype=np.uint64))["notes"].combine_chunks()
    remark = pc.is_in(notes, pa.array(REMARKS))
    personal = notes.filter(pc.and_(pc.is_valid(notes), pc.invert(remark)))
    assert 250 < len(personal) < 450
    assert pc.count_distinct(notes).as_py() < 650
    assert 0.6 < notes.null_count / len(notes) < 0.75


def _own_values(table: pa.Table, row: int) -> list[str]:
    found = table.slice(row, 1).to_pylist()[0]
    values = [found["email"], *(found["name"] or {}).values(), *(phone["number"] for phone in found["phones"] or [])]
    return [value for value in [*values, (found["address"] or {}).get("street")] if value]


@pytest.fixture
def found_by_presidio(monkeypatch):
    """A function from a text to the text without what Presidio's recognizers find at 0.4."""
    tldextract = pytest.importorskip("tldextract", reason="needs presidio-analyzer (extra text)")
    from presidio_analyzer import predefined_recognizers as known

    offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    monkeypatch.setattr(sys.modules["tldextract.tldextract"], "TLD_EXTRACTOR", offline)
    kinds = (known.EmailRecognizer, known.PhoneRecognizer, known.CreditCardRecognizer, known.IbanRecognizer)
    recognizers = [kind() for kind in (*kinds, known.UsSsnRecognizer, known.IpRecognizer, known.UrlRecognizer)]

    def strip(text: str) -> str:
        results = [r for rec in recognizers for r in rec.analyze(text, rec.supported_entities, None) or () if r.score >= 0.4]
        kept = [c for at, c in enumerate(text) if not any(r.start <= at < r.end for r in results)]
        return "".join(kept)

    return strip


def test_facts_in_tickets_are_found_or_the_requesters_own(found_by_presidio):
    table = tickets(people(), np.arange(400, dtype=np.uint64))
    searched = 0
    for row in table.to_pylist():
        text = row["body"]
        if text is None or text in REMARKS:
            continue
        for own in sorted(filter(None, row["requester"].values()), key=len, reverse=True):
            text = text.replace(own, "")
        searched += 1
        assert not re.search(r"[\d@/]", found_by_presidio(text)), row["body"]
    assert searched > 80


def test_facts_in_notes_are_found_or_the_rows_own(found_by_presidio):
    table = customers(people(), np.arange(6_000, dtype=np.uint64))
    personal = [at for at, text in enumerate(table["notes"].to_pylist()) if text is not None and text not in REMARKS]
    assert len(personal) > 60
    for at in personal:
        text = table["notes"][at].as_py()
        for own in sorted(_own_values(table, at), key=len, reverse=True):
            text = text.replace(own, "")
        assert not re.search(r"[\d@/]", found_by_presidio(text))


def test_phones_of_every_country_are_found(found_by_presidio):
    country = np.arange(7, dtype=np.int64).repeat(40)
    made = facts.phones(DRAWS, np.arange(len(country), dtype=np.uint64), "phone", country).to_pylist()
    assert [text for text in made if re.search(r"\d", found_by_presidio(f"Called back on {text}, no answer."))] == []


def test_texts_without_personal_rows_are_remarks_or_null():
    plan = TextPlan(purpose="p", nulls=0.5, personal=0.0)
    made = set(free_texts(people(), ROWS, plan, ROWS).to_pylist())
    assert made <= {None, *REMARKS}


def test_json_lines_escape_and_keep_nulls():
    inner = pa.array([{"t": 'a "quoted" \\ word'}, {"t": None}])
    table = pa.table({"n": pa.array([1, None]), "s": inner})
    assert json_lines(table).to_pylist() == ['{"n":1,"s":{"t":"a \\"quoted\\" \\\\ word"}}', '{"n":null,"s":{"t":null}}']
