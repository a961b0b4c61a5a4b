from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from stdnum import luhn
from stdnum.pl import pesel

from airlock.gate.chance import BARE, ROUNDED_CARD, Sample, excessive, sample_numbers
from airlock.gate.entities import FLOOR, SCANNERS, Hit, scan_text
from airlock.gate.normal import plain_text

FOUND = {
    "EMAIL_ADDRESS": [
        "ann@example.org", "write to ann.lee+news@mail.example.co.uk, please", "O'Neil@example.ie", "jürgen@müller.de", "a@b.xn--p1ai",
        "ann\uff20example.org", "mailto:ann@example.org?x=1", '{"to":"ann@example.org"}', "ann\u200b@example.org",
        "ann@\u2066example.org\u2069", "ann\u061c@example.org", "ann\ufe0f@example.org", "ann\U000e0101@example.org", "ann\u034f@example.org",
        "ann&#x40;example.org", "ann&#064;example.org", "ann&commat;example.org", "ann\\u0040example.org", "ann%2540example.org",
        "ann@example\u3002org", "ann@example\uff0eorg", "anq\u0323@example.org",
    ],
    "PHONE_NUMBER": [
        "212-555-0147", "(212) 555-0147", "+1 212 555 0147", "1-212-555-0147", "001-212-555-0147x123", "212.555.0147", "+12125550147",
        "+49 30 123456", "+44 (0)20 7946 0958", "+33 6 12 34 56 78", "0044 20 7946 0958", "(030) 123456", "020 7946 0958", "06 12 34 56 78",
        "call 212-555-0147.", "tel:212-555-0147", "212\u2011555\u20110147", "\u0662\u0661\u0662-\u0665\u0665\u0665-\u0660\u0661\u0664\u0667",
        "+49.1712345678", "01632/960123", "call 0170-1234567", "0171 - 2345678", "06-12-34-56-78", "06/12/34/56/78", "020-7946-0958",
        "tel 0170.1234567", "tel 0170 12 34 567", "tel:0171/2345678", "089-12345678 ab 9", "0170\t1234567", "212/555/0147", "(212)555-0147",
        "212 - 555 - 0147", "212\t555\t0147", "1(212)555-0147", "+49  170   1234567", "+49\t170\t1234567", "+49-(0)-170-1234567", "0049-171-2345678",
        "fon 0171-2345678, abends",
    ],
    "CREDIT_CARD": [
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "paid with 5555555555554444.", "378282246310005", "3782 822463 10005",
        "6011111111111117", "3530111333300000", "30569309025904", "4222222222222", "2223003122003222", "6200000000000005", "card:4111111111111111,",
        "4000.0000.0000.1109", "card4000000000000846", "card_4111111111111111_x", "4111/1111/1111/1111", "4111  1111  1111  1111",
        "4111\t1111\t1111\t1111", "4111 1111-1111 1111", "3782.822463.10005", "5,4111111111111111,03/27", "\uff14\uff11\uff11\uff11111111111111",
    ],
    "IBAN_CODE": [
        "GB82WEST12345698765432", "GB82 WEST 1234 5698 7654 32", "to DE89 3704 0044 0532 0130 00 by Friday", "de89370400440532013000",
        "DE89.3704.0044.0532.0130.00", "de89-3704-0044-0532-0130-00", "gb82.west.1234.5698.7654.32", "DE89  3704  0044  0532  0130  00", "de89\t3704\t0044\t0532\t0130\t00", "IBAN-de89370400440532013000",
        "FR1420041010050500013M02606", "GB82-WEST-1234-5698-7654-32",
    ],
    "US_SSN": ["536-90-4399", "ssn 536 90 4399.", "536.90.4399"],
    "US_ITIN": ["912-90-3456"],
    "UK_NHS": ["943 476 5919"],
    "UK_NINO": ["AB 12 34 56 C", "her number is AB123456C."],
    "ES_NIF": ["54362315-K", "con NIF 54362315K", "X-2482300-W"],
    "IT_FISCAL_CODE": ["RCCMNL83S18D969H"],
    "FR_NIR": ["2 95 10 99 126 111 93"],
    "BR_CPF": ["390.533.447-05"],
    "CH_AHV": ["756.9217.0769.85"],
    "IP_ADDRESS": ["192.0.2.17", "from 10.1.2.3:8080", "http://192.0.2.17/x", "2001:db8::1", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "[fe80::1]"],
    "URL": ["https://example.org/x", "see www.example.de", "example.com", "FTP://host/x"],
    "MAC_ADDRESS": ["00:1B:44:11:3a:b7", "00-1b-44-11-3A-B7"],
    "CRYPTO": ["1NEDqZPvTWRaoho48qXuLLsrYomMXPABfD"],
}  # fmt: skip

QUIET = [
    "", "Paris", "San Francisco, CA 94110", "ORD-2026-000123456", "INV 2026/11/000123", "2026-11-22", "2026-11-22T10:11:12.123456+01:00", "22.11.2026",
    "11/22/2026 10:11", "1767225600000", "1767225600000000000", "1.2.3", "v1.2.3.4", "10.4.11-beta", "1234.56", "1,234,567.89", "0.4111111111111111",
    "550e8400-e29b-41d4-a716-446655440000", "0c7a1f0e9b2d4c6f8a1b3c5d7e9f0a2b", "2125550147", "536904399", "555-0147", "4111111111111112", "000-12-3456",
    "666-12-3456", "GB82WEST12345698765431", "std::vector", "12:34:56", "a@b", "@handle", "user @ home", "***@example.com", "j***@example.com",
    "AB123456C", "54362315K", "$1,234,567", "+3", "+1234567.89", "3.14159265358979", "40.712776,-74.005974", "A4-B7-C9", "1/2/3", "12 345 678",
    "GB 1234", "ISBN 978-3-16-148410-0", "4006381333931", "4.111111111111111e15", "ORD-4111111111111-X", "100%", "n/a", "(12)", "#123-45", "999.999.999.999",
    "2024-05-17", "17.05.2024", "05/17/2024", "17-05-24", "05-17-24", "05.01.2024", "05.01.24 10:11", "01-02-2024 03:04:05", "2024-05-17-10-30-00",
    "20240517", "17 05 2024", "2024/05/17 08.30", "08:30-17:30", "0830-1730", "0830 - 1730", "08.30 - 17.30", "2024-W05-1", "2024-017", "P1Y02M03D",
    "0.0170", "00.123456", "000123.45", "0,1234567", "-0.1234567", "0.1701234567", "48.137154, 11.576124", "N 48 08.229 E 011 34.567",
    "008 34 12", "1.02.003", "v0.123.4567", "2024.05.17", "10.04.1", "0.12.345", "3.0123-4567", "EUR 1.234.567,89", "012.50", "1,299.00", "19.99/20.99",
    "PN-0123-4567-89", "A0123-456-789", "SKU-0170-1234567", "PN-0049-1712-34", "a1b2c3d4-c3dc-0044-4567-8912e4445566", "7-0123-456789", "ORD4123456789012", "SKU4006381333931", "AB-4111-1111-1111-1112",
    "0123-456", "012-345", "4000-2000-1000", "4111.1111", "4111/1111/1111", "2023-2024-2025-2026",
    "ad12a456-ad12-4456-7890-446655440000", "0412f567-0412-4567-8912-a46655440000", "b0123456-0123-4456-a456-0123456789ab",
    "&#64;home", "50%40", "x\u2066y\u2069",
]  # fmt: skip


@pytest.mark.parametrize(("entity", "text"), [(entity, text) for entity, texts in FOUND.items() for text in texts])
def test_found(entity, text):
    assert scan_text(pa.array(["Paris", text]), (entity,))[entity].count == 1


@pytest.mark.parametrize("text", QUIET)
def test_left_alone(text):
    assert scan_text(pa.array([text]), [entity for entity in SCANNERS if entity != "URL"]) == {}


def test_each_entity_has_examples_and_the_floor_is_what_the_design_names():
    assert FOUND.keys() == SCANNERS.keys()
    assert {"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS"} <= set(FLOOR)
    assert set(FLOOR) <= {*SCANNERS, *BARE}


def test_counts_are_of_values_and_pictures_of_the_first():
    values = pa.array(["x", "a@b.org and c@d.org", "y", "e@f.org", "a@b.org and c@d.org"])
    for each in (values, values.dictionary_encode(), values.cast(pa.large_string()), values.cast(pa.string_view())):
        found = scan_text(each, FLOOR)
        assert found["EMAIL_ADDRESS"].count == 3
        assert set(found["EMAIL_ADDRESS"].picture) <= set("a@.")
    assert scan_text(values.slice(2, 1), FLOOR) == {}


def test_dictionary_entries_that_no_row_uses_do_not_count():
    unused = pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array(["Paris", "a@b.org"]))
    assert scan_text(unused, FLOOR) == {}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_of_wide_characters_in_bytes_is_read(encoding):
    said = ["Paris", "mail marigold@example.org", "4111111111111111", "caf\u00e9 212-555-0147"]
    found = scan_text(pa.array([text.encode(encoding) for text in said]), FLOOR)
    assert {entity: hit.count for entity, hit in found.items()} == {"EMAIL_ADDRESS": 1, "CREDIT_CARD": 1, "PHONE_NUMBER": 1}
    parted = pa.array([b"4111111111111111\x0017", b"ann\x00@example.org"])
    assert {entity: hit.count for entity, hit in scan_text(parted, FLOOR).items()} == {"CREDIT_CARD": 1, "EMAIL_ADDRESS": 1}
    assert scan_text(parted.cast(pa.string()), FLOOR) == scan_text(parted, FLOOR)


def test_an_invalid_candidate_does_not_hide_a_valid_one_behind_it():
    assert scan_text(pa.array(["4111111111111112 4111111111111111"]), FLOOR) == {"CREDIT_CARD": Hit(1, "9999999999999999")}
    assert scan_text(pa.array(["1234 4111 1111 1111 1111"]), FLOOR)["CREDIT_CARD"].count == 1


def test_bytes_are_scanned_between_what_is_no_text():
    values = pa.array([b"\xff\x00ann@example.org\xfe", b"\xff\xfe", bytes(range(256))])
    assert scan_text(values, FLOOR) == {"EMAIL_ADDRESS": Hit(1, "a@aaaaaaa.aaa")}
    assert scan_text(values.slice(1), FLOOR) == {}
    fixed = pa.array([b"ann@example.org."], pa.binary(16))
    assert scan_text(fixed, FLOOR)["EMAIL_ADDRESS"].count == 1


def test_the_plain_form_of_text():
    assert plain_text(pa.array(["\u0967\u0968-\uff13", "a\u00adb\u2013c"])).to_pylist() == ["12-3", "ab-c"]


def cards(count: int) -> list[int]:
    bodies = np.random.default_rng(3).integers(10**13, 10**14, count)
    return [int(f"4{body}{luhn.calc_check_digit(f'4{body}')}") for body in bodies.tolist()]


def verdicts(values: pa.Array) -> list[str]:
    return [entity for entity, sample in sample_numbers(values, FLOOR).items() if excessive(sample, entity)]


@pytest.mark.parametrize(
    "data_type", [pa.int64(), pa.uint64(), pa.float64(), pa.decimal128(20, 2), pa.decimal128(38, 20), pa.string(), pa.binary()]
)
def test_a_column_of_cards_is_found_whatever_its_type(data_type):
    numbers = pa.array(cards(60))
    values = (
        numbers.cast(pa.decimal128(19, 0)).cast(data_type)
        if pa.types.is_decimal(data_type)
        else numbers.cast(pa.string()).cast(data_type)
    )
    assert verdicts(values) == ["CREDIT_CARD"]
    assert verdicts(values.slice(1, 20)) == ["CREDIT_CARD"]


def test_cards_that_went_through_a_float_on_their_way_to_text():
    texts = pa.array([f"{number}.0" for number in cards(20)])
    for values in (texts, texts.dictionary_encode(), pc.binary_join_element_wise(texts, "0", "")):
        assert verdicts(values) == ["CREDIT_CARD"]
    assert verdicts(pa.array([f"{number}.5" for number in cards(20)])) == []


@pytest.mark.parametrize("width", [2, 10, 1000])
@pytest.mark.parametrize("data_type", [pa.int64(), pa.float64(), pa.decimal128(20, 2)])
def test_rounded_cards_have_the_look_of_cards(width, data_type):
    def found(numbers):
        values = pa.array([number - number % width for number in numbers]).cast(pa.decimal128(19, 0)).cast(data_type)
        return [entity for entity, sample in sample_numbers(values, (ROUNDED_CARD,)).items() if excessive(sample, entity)]

    draw = np.random.default_rng(4)
    assert found(cards(60)) == [ROUNDED_CARD]
    assert found(cards(7)) == []
    for low, high in ((10**15, 10**16), (10**13, 10**14), (1_500_000_000_000, 1_800_000_000_000), (0, 10**14)):
        assert found(draw.integers(low, high, 2000).tolist()) == []


def test_ten_cards_are_enough_and_seven_are_not():
    assert verdicts(pa.array(cards(10))) == ["CREDIT_CARD"]
    assert verdicts(pa.array(cards(7))) == []


def test_one_value_often_is_one_value():
    assert verdicts(pa.array(cards(1) * 1000)) == []


def test_national_ids_as_whole_cells():
    ids = [f"{n % 100:02d}{1 + n % 12:02d}{1 + n % 28:02d}{n:04d}" for n in range(1000, 1060)]
    assert verdicts(pa.array([text + pesel.calc_check_digit(text) for text in ids])) == ["PL_PESEL"]
    assert verdicts(pa.array([int(text + pesel.calc_check_digit(text)) for text in ids if text[0] != "0"])) == ["PL_PESEL"]
    letters = "TRWAGMYFPDXBNJZSQVHLCKE"
    assert verdicts(pa.array([f"{n}{letters[n % 23]}" for n in range(54362315, 54362400)])) == ["ES_NIF"]
    assert verdicts(pa.array([f"AB{n:06d}C" for n in range(123456, 123500)])) == ["UK_NINO"]


@pytest.mark.parametrize("data_type", [pa.date32(), pa.bool_(), pa.time64("us"), pa.int16()])
def test_other_types_hold_no_bare_ids(data_type):
    assert (
        sample_numbers(
            pa.array([0, 1], pa.int32()).cast(data_type) if data_type != pa.time64("us") else pa.array([0], data_type), FLOOR
        )
        == {}
    )


def test_samples_merge_to_the_sample_of_the_whole():
    numbers = pa.array(np.random.default_rng(5).integers(4 * 10**15, 5 * 10**15, 30_000))
    whole = sample_numbers(numbers, ("CREDIT_CARD",))["CREDIT_CARD"]
    parts = [sample_numbers(numbers.slice(start, 7_000), ("CREDIT_CARD",))["CREDIT_CARD"] for start in range(0, 30_000, 7_000)]
    merged: Sample = sum(parts[1:], parts[0])
    assert merged.prints.tolist() == whole.prints.tolist()
    assert merged.forms.tolist() == whole.forms.tolist()
    assert len(whole.prints) == 2048
