"""Column programs: nested leaves rebuilt in place, whatever the slices, nulls, hidden values and encodings."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from airlock.keys import SubKeys
from airlock.keys.derive import derive
from airlock.operators import RejectedValuesError
from airlock.plan.bind import bind_policy
from airlock.plan.program import compile_column, output_type
from airlock.plan.tree import rule_tree

TEXT = pa.string()
KEEP_A = "{type: string, class: insensitive, keep: {reason: closed, values: [a]}}"
CUT = "{type: string, class: sensitive, truncate: 1}"
DROP = "{type: string, class: sensitive, drop: {}}"


@pytest.fixture
def program(policy_file):
    """Compile the rules of one column for a type; (program, output type)."""

    def of(source, *rules):
        bound = bind_policy(policy_file(*rules))
        node = next(node for name, node in rule_tree(bound.rules).items() if name == rules[0][0])
        requests = {request for operator in bound.operators.values() for request in operator.requests()}
        keys = SubKeys({request: derive(bytes(32), request, "tests", 1) for request in requests}, {})
        return compile_column(node, source, bound.operators, keys), output_type(node, source, bound.operators)

    return of


def whole(made, expected_type, expected):
    """Valid in full, of this type and these values."""
    made.validate(full=True)
    assert made.type == expected_type
    assert made.to_pylist() == expected


def written(made):
    """The bytes of a Parquet file that holds this column."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": made}), sink, compression="none")
    return sink.getvalue().to_pybytes()


# --- leaves and dictionaries ------------------------------------------------------------------------------------------


def test_a_leaf(program):
    apply, target = program(TEXT, f"x: {CUT}")
    whole(apply.transform(pa.array(["ab", None, ""])), target, ["a", None, ""])
    whole(apply.transform(pa.array(["zz", "ab", None, "cd"]).slice(1, 2)), target, ["a", None])
    whole(apply.transform(pa.array([], TEXT)), target, [])


def test_a_dropped_leaf_has_no_program(program):
    assert program(TEXT, f"x: {DROP}") == (None, None)


def test_a_dictionary_is_transformed_once_a_value(program):
    apply, _ = program(TEXT, f"x: {CUT}")
    made = apply.transform(pa.array(["ab", None, "ab", "cd", "cd"]).dictionary_encode())
    assert pa.types.is_dictionary(made.type)
    assert len(made.dictionary) == 2
    assert made.to_pylist() == ["a", None, "a", "c", "c"]


@pytest.mark.parametrize(
    "array",
    [
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), pa.array(["ab", None])),
        pa.DictionaryArray.from_arrays(pa.array([0, None, None, 0]), pa.array(["ab", "unused", "cd", "ef", "gh"])),
        pa.DictionaryArray.from_arrays(pa.array([9, 0, 1, None, 0]).slice(1), pa.array(["ab", None])),
        pa.DictionaryArray.from_arrays(pa.array([0, None, None, 0], pa.int8()), pa.array(["ab"])),
    ],
)
def test_odd_dictionaries_give_the_same_values(program, array):
    apply, _ = program(TEXT, f"x: {CUT}")
    assert apply.transform(array).to_pylist() == ["a", None, None, "a"]


def test_a_hidden_null_of_a_dictionary_becomes_a_value(program):
    apply, _ = program(TEXT, "x: {type: string, class: sensitive, redact: {with: R, presence: hide}}")
    assert apply.transform(pa.array(["ab", None, "ab"]).dictionary_encode()).to_pylist() == ["R", "R", "R"]


def test_null_over_a_dictionary(program):
    apply, target = program(TEXT, "x: {type: string, class: sensitive, null: {}}")
    made = apply.transform(pa.array(["ab", None, "ab"]).dictionary_encode())
    assert made.to_pylist() == [None] * 3
    assert target == TEXT


def test_null_over_a_subtree_says_nothing_of_its_form(program):
    apply, target = program(pa.struct([("ann", TEXT)]), "x: {type: struct, class: sensitive, null: {}}")
    assert apply.transform(pa.array([{"ann": "a"}, None])).equals(pa.nulls(2, TEXT))
    assert target == TEXT


def test_a_rejected_dictionary_value_that_no_row_uses_rejects_none(program):
    apply, _ = program(TEXT, f"x: {KEEP_A}")
    unused = pa.DictionaryArray.from_arrays(pa.array([0, 0, 0]), pa.array(["a", "other"]))
    assert apply.transform(unused).to_pylist() == ["a", "a", "a"]
    with pytest.raises(RejectedValuesError, match="1 of 3 values rejected: not-in-list") as caught:
        apply.transform(pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["a", "other"])))
    assert caught.value.mask.to_pylist() == [False, True, False]


# --- structs ----------------------------------------------------------------------------------------------------------

PERSON = pa.struct([("name", TEXT), ("zip", TEXT), ("kind", TEXT)])
PEOPLE = [
    {"name": "Ann", "zip": "10115", "kind": "a"},
    None,
    {"name": None, "zip": None, "kind": None},
    {"name": "Bo", "zip": "2", "kind": "a"},
]


def test_a_struct_keeps_validity_and_the_policys_fields(program):
    apply, target = program(PERSON, f"x.zip: {CUT}", f"x.name: {DROP}", f"x.kind: {KEEP_A}")
    assert target == pa.struct([("zip", TEXT), ("kind", TEXT)])
    expected = [{"zip": "1", "kind": "a"}, None, {"zip": None, "kind": None}, {"zip": "2", "kind": "a"}]
    people = pa.array(PEOPLE, PERSON)
    whole(apply.transform(people), target, expected)
    whole(apply.transform(people.slice(1, 3)), target, expected[1:])
    whole(apply.transform(pa.array([None, *PEOPLE], PERSON).slice(2)), target, expected[1:])
    whole(apply.transform(people.slice(0, 0)), target, [])


def test_a_struct_of_dropped_fields_is_not_written(program):
    assert program(PERSON, f"x.zip: {DROP}", f"x.name: {DROP}", f"x.kind: {DROP}") == (None, None)


def test_values_hidden_under_null_parents_are_not_carried_over(program):
    hidden = pa.StructArray.from_arrays(
        [pa.array(["CANARY", "Bo"])], fields=[pa.field("kind", TEXT)], mask=pa.array([True, False])
    )
    apply, target = program(hidden.type, "x.kind: {type: string, class: insensitive, keep: a reason}")
    made = apply.transform(hidden)
    whole(made, target, [None, {"kind": "Bo"}])
    assert b"CANARY" not in written(made)


def test_a_hidden_value_rejects_no_row(program):
    hidden = pa.StructArray.from_arrays(
        [pa.array(["other", "a"])], fields=[pa.field("kind", TEXT)], mask=pa.array([True, False])
    )
    apply, target = program(hidden.type, f"x.kind: {KEEP_A}")
    whole(apply.transform(hidden), target, [None, {"kind": "a"}])


def test_a_rejected_field_rejects_its_row(program):
    apply, _ = program(PERSON, f"x.zip: {CUT}", f"x.name: {DROP}", f"x.kind: {KEEP_A}")
    bad = pa.array([*PEOPLE, {"name": "x", "zip": "x", "kind": "b"}], PERSON)
    with pytest.raises(RejectedValuesError) as caught:
        apply.transform(bad.slice(1))
    assert caught.value.mask.to_pylist() == [False, False, False, True]


def test_a_dictionary_inside_a_struct(program):
    coded = pa.StructArray.from_arrays([pa.array(["ab", "cd", "ab"]).dictionary_encode()], names=["y"])
    apply, target = program(pa.struct([("y", TEXT)]), f"x.y: {CUT}")
    whole(apply.transform(coded), target, [{"y": "a"}, {"y": "c"}, {"y": "a"}])


# --- lists ------------------------------------------------------------------------------------------------------------

WORDS = [["ab", None], None, [], ["cd"], ["ef", "gh", "ij"]]
CUTS = [["a", None], None, [], ["c"], ["e", "g", "i"]]


@pytest.mark.parametrize("source", [pa.list_(TEXT), pa.large_list(TEXT)])
def test_lists_keep_offsets_and_validity(program, source):
    apply, target = program(source, f"x[]: {CUT}")
    assert target == pa.list_(TEXT)
    words = pa.array(WORDS, source)
    for start in range(len(WORDS) + 1):
        whole(apply.transform(words.slice(start)), target, CUTS[start:])
        whole(apply.transform(words.slice(0, start)), target, CUTS[:start])


def test_fixed_size_lists_become_plain_ones(program):
    source = pa.list_(TEXT, 2)
    apply, target = program(source, f"x[]: {CUT}")
    pairs = pa.array([["ab", "cd"], None, ["ef", None]], source)
    whole(apply.transform(pairs), target, [["a", "c"], None, ["e", None]])
    whole(apply.transform(pairs.slice(1)), target, [None, ["e", None]])


def test_values_hidden_under_a_null_list_are_not_carried_over(program):
    hidden = pa.ListArray.from_arrays(pa.array([0, 1, 2]), pa.array(["CANARY", "ab"]), mask=pa.array([True, False]))
    apply, target = program(pa.list_(TEXT), "x[]: {type: string, class: insensitive, keep: a reason}")
    made = apply.transform(hidden)
    whole(made, target, [None, ["ab"]])
    assert b"CANARY" not in written(made)


def test_a_rejected_element_rejects_its_row(program):
    apply, _ = program(pa.list_(TEXT), f"x[]: {KEEP_A}")
    with pytest.raises(RejectedValuesError, match="2 of 5 values") as caught:
        apply.transform(pa.array([["b"], ["a"], None, ["a", "b", "b"], [], ["b", None]]).slice(1))
    assert caught.value.code == "not-in-list"
    assert caught.value.mask.to_pylist() == [False, False, True, False, True]


def test_a_list_whose_elements_are_dropped_is_not_written(program):
    assert program(pa.list_(TEXT), f"x[]: {DROP}") == (None, None)


# --- maps -------------------------------------------------------------------------------------------------------------

FACTS = pa.map_(TEXT, TEXT)
PAIRS = [[("a", "one")], None, [], [("a", None)], [("a", "two"), ("a", "three")]]
CUT_PAIRS = [[("a", "o")], None, [], [("a", None)], [("a", "t"), ("a", "t")]]


def test_maps_keep_offsets_and_validity(program):
    apply, target = program(FACTS, f"x{{key}}: {KEEP_A}", f"x{{value}}: {CUT}")
    assert target == FACTS
    facts = pa.array(PAIRS, FACTS)
    for start in range(len(PAIRS) + 1):
        whole(apply.transform(facts.slice(start)), target, CUT_PAIRS[start:])
        whole(apply.transform(facts.slice(0, start)), target, CUT_PAIRS[:start])


@pytest.mark.parametrize("bad", [("b", "one"), ("a", "other")])
def test_a_rejected_key_or_value_rejects_its_row(program, bad):
    listed = "{type: string, class: insensitive, keep: {reason: closed, values: [one]}}"
    apply, _ = program(FACTS, f"x{{key}}: {KEEP_A}", f"x{{value}}: {listed}")
    rows = pa.array([[bad], [("a", "one")], None, [("a", "one"), bad]], FACTS)
    with pytest.raises(RejectedValuesError) as caught:
        apply.transform(rows.slice(1))
    assert caught.value.mask.to_pylist() == [False, False, True]


def test_a_map_of_structs(program):
    source = pa.map_(TEXT, pa.struct([("y", TEXT), ("z", TEXT)]))
    apply, target = program(source, f"x{{key}}: {KEEP_A}", f"x{{value}}.y: {CUT}", f"x{{value}}.z: {DROP}")
    rows = pa.array([[("a", {"y": "one", "z": "gone"})], None, [("a", None)]], source)
    whole(apply.transform(rows), target, [[("a", {"y": "o"})], None, [("a", None)]])


# --- all together, with keys and known values -------------------------------------------------------------------------


def test_lists_of_structs_of_lists(program):
    source = pa.list_(pa.struct([("kind", TEXT), ("numbers", pa.list_(TEXT))]))
    apply, target = program(source, f"x[].kind: {KEEP_A}", f"x[].numbers[]: {CUT}")
    rows = pa.array([None, [{"kind": "a", "numbers": ["12", None]}, None], [], [{"kind": None, "numbers": None}]], source)
    expected = [None, [{"kind": "a", "numbers": ["1", None]}, None], [], [{"kind": None, "numbers": None}]]
    whole(apply.transform(rows), target, expected)
    whole(apply.transform(rows.slice(1, 2)), target, expected[1:3])


def test_a_rejection_deep_inside_names_the_row(program):
    source = pa.list_(pa.struct([("kinds", pa.list_(TEXT))]))
    apply, _ = program(source, f"x[].kinds[]: {KEEP_A}")
    rows = pa.array([[{"kinds": ["a"]}], None, [None, {"kinds": ["a"]}, {"kinds": ["a", "b"]}], [{"kinds": None}]], source)
    with pytest.raises(RejectedValuesError) as caught:
        apply.transform(rows)
    assert caught.value.mask.to_pylist() == [False, False, True, False]


def test_tokens_are_the_same_at_any_depth(program):
    token = "{type: int64, class: direct_identifier, pseudonymize: person}"
    flat, _ = program(pa.int64(), f"x: {token}")
    deep, target = program(pa.list_(pa.struct([("n", pa.int64())])), f"x[].n: {token}")
    expected = flat.transform(pa.array([7, None])).to_pylist()
    made = deep.transform(pa.array([[{"n": 7}, {"n": None}]]))
    whole(made, target, [[{"n": expected[0]}, {"n": None}]])


def test_each_nested_text_is_searched_for_its_own_rows_values(program):
    redact = "{type: string, class: sensitive, redact_entities: {entities: [URL], known_values: [name]}}"
    name = "name: {type: string, class: direct_identifier, drop: {}}"
    apply, target = program(pa.list_(TEXT), f"x[]: {redact}", name)
    names = pa.array([["Anna Berg"], [], ["Bogdan"]])
    rows = pa.array([["Anna Berg called", "Bogdan too"], None, ["met Bogdan and Anna Berg", None]])
    made = apply.transform(rows, lambda *_: {"known": names.take(pc.list_parent_indices(rows))})
    whole(made, target, [["<KNOWN_VALUE> called", "Bogdan too"], None, ["met <KNOWN_VALUE> and Anna Berg", None]])
    whole(
        apply.transform(rows.slice(2), lambda *_: {"known": names.slice(2).take(pa.array([0, 0]))}),
        target,
        [["met <KNOWN_VALUE> and Anna Berg", None]],
    )


def test_input_is_not_changed(program):
    source = pa.list_(PERSON)
    apply, _ = program(source, f"x[].zip: {CUT}", f"x[].name: {CUT}", f"x[].kind: {KEEP_A}")
    rows = pa.array([PEOPLE, None, []], source)
    before = rows.to_pylist()
    apply.transform(rows)
    assert rows.to_pylist() == before


# --- dictionaries and lists without copies ---------------------------------------------------------------------------------


def coded(indices, entries):
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(entries, TEXT))


def test_null_entries_become_null_rows_of_a_dictionary(program):
    apply, _ = program(TEXT, f"x: {CUT}")
    made = apply.transform(coded([0, 1, 2, None, 1], ["ab", None, "cd"]))
    assert pa.types.is_dictionary(made.type)
    assert made.dictionary.to_pylist() == ["a", "c"]
    assert made.dictionary_decode().to_pylist() == ["a", None, "c", None, None]


def test_entries_that_no_row_uses_reject_nothing(program):
    apply, _ = program(TEXT, f"x: {KEEP_A}")
    made = apply.transform(coded([2, 0, None, 2], ["a", "4 Elm Street", "a"]))
    assert pa.types.is_dictionary(made.type)
    assert made.dictionary_decode().to_pylist() == ["a", "a", None, "a"]


def test_a_rejected_entry_names_its_rows(program):
    apply, _ = program(TEXT, f"x: {KEEP_A}")
    with pytest.raises(RejectedValuesError) as caught:
        apply.transform(coded([2, 1, None, 1], ["a", "4 Elm Street", "a"]))
    assert caught.value.mask.to_pylist() == [False, True, False, True]


def test_lists_without_nulls_keep_their_offsets(program):
    apply, target = program(pa.list_(TEXT), f"x[]: {CUT}")
    rows = pa.array([["ab"], [], ["cd", None, "ef"], ["gh"]])
    made = apply.transform(rows)
    whole(made, target, [["a"], [], ["c", None, "e"], ["g"]])
    assert made.offsets.buffers()[1].address == rows.offsets.buffers()[1].address
    whole(apply.transform(rows.slice(1, 2)), target, [[], ["c", None, "e"]])
    assert apply.transform(rows.slice(1, 2)).values.to_pylist() == ["c", None, "e"]
