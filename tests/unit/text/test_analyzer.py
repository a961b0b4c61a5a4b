from __future__ import annotations

import io
import logging
import logging.config
import random
import subprocess
import sys
from functools import cache

import pytest
from faker import Faker

from airlock.text import analyzer

CHOSEN = ["EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "URL"]


@cache
def reference():
    """Presidio's engine put together another way: its spaCy engine over a blank pipeline whose lemmas are the token texts."""
    analyzer.supported_entities()  # pins the suffix list, so that the reference stays offline too
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def load(self):
            self.nlp = {"en": spacy.blank("en")}

        def process_text(self, text, language):
            doc = self.nlp[language](text)
            for token in doc:
                token.lemma_ = token.text
            return self._doc_to_nlp_artifact(doc, language)

    engine = Blank(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.load()
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])


def expected(text, entities, min_score):
    results = reference().analyze(text=text, language="en", entities=entities, score_threshold=min_score)
    return tuple((found.entity_type, found.start, found.end, found.score) for found in results)


def facts(fake):
    return [
        fake.email,
        lambda: f"{fake.user_name()}@bücher.example.de",
        fake.phone_number,
        lambda: fake.numerify("(2##) 555-01##"),
        lambda: fake.numerify("20255501##"),
        lambda: "call my cell " + fake.numerify("+49 151 ########"),
        fake.credit_card_number,
        lambda: "card " + fake.credit_card_number("visa"),
        fake.iban,
        lambda: "iban: " + fake.iban().lower(),
        lambda: "ssn " + fake.ssn(),
        lambda: fake.numerify("#########"),
        lambda: "customer number " + fake.numerify("#########"),
        fake.ipv4,
        fake.ipv6,
        fake.url,
        lambda: fake.hostname() + "/login",
        fake.uuid4,
        fake.mac_address,
        fake.date,
        fake.address,
        fake.sentence,
        lambda: "٣٤٥-٦٧٨-٩٠١٢ ſſn ＠",
        lambda: "日本語のテキスト 😀 zażółć",
    ]


def made_texts(count, seed=11):
    fake = Faker(["en_US", "de_DE", "en_GB"])
    Faker.seed(seed)
    draw = random.Random(seed)
    makers = facts(fake)
    return [
        draw.choice(["", " ", "\n"]).join(draw.choice(makers)() + " " for _ in range(draw.randint(1, 5))) for _ in range(count)
    ]


@pytest.mark.parametrize(("entities", "min_score"), [(CHOSEN, 0.4), (None, 0.0), (["US_SSN"], 0.05), (CHOSEN, 0.75)])
def test_findings_are_presidios(entities, min_score):
    texts = made_texts(150)
    wanted = entities or sorted(analyzer.supported_entities())
    found = analyzer.find(texts, entities=wanted, min_score=min_score)
    assert found == [expected(text, wanted, min_score) for text in texts]
    assert sum(map(len, found)) > 10


@pytest.mark.parametrize(
    ("text", "entity", "score"),
    [
        ("reach me on 2025550143", "PHONE_NUMBER", 0.4),
        ("my cell: 2025550143", "PHONE_NUMBER", 0.75),
        ("4111 1111 1111 1111", "CREDIT_CARD", 1.0),
        ("ssn 536-22-8723", "US_SSN", 0.85),
        ("536-22-8723", "US_SSN", 0.5),
        ("GB33BUKB20201555555555", "IBAN_CODE", 1.0),
        ("from 203.0.113.9", "IP_ADDRESS", 0.6),
        ("see https://example.org/a?b", "URL", 0.6),
        ("a.b@example.co.uk", "EMAIL_ADDRESS", 1.0),
    ],
)
def test_context_words_raise_the_score(text, entity, score):
    (findings,) = analyzer.find([text], entities=[entity], min_score=0.4)
    assert [(found.entity, round(found.score, 2)) for found in findings] == [(entity, score)]


def test_repeated_searches_are_equal_and_empty_input_is_empty():
    texts = made_texts(20)
    assert analyzer.find([], entities=CHOSEN, min_score=0.4) == []
    assert analyzer.find(["", " "], entities=CHOSEN, min_score=0.4) == [(), ()]
    assert analyzer.find(texts, entities=CHOSEN, min_score=0) == analyzer.find(texts * 2, entities=CHOSEN, min_score=0)[20:]


def test_no_model_no_names():
    can = analyzer.supported_entities()
    assert set(CHOSEN) <= can
    assert not {"PERSON", "LOCATION", "NRP"} & can


def test_a_text_too_long_is_not_called_clean():
    long = "a " * (analyzer.LONGEST_TEXT // 2)
    assert analyzer.find([long, long + "b"], entities=["EMAIL_ADDRESS"], min_score=0.4) == [(), None]


def test_a_pattern_out_of_time_is_not_called_clean(monkeypatch):
    analyzer.supported_entities()
    from presidio_analyzer import pattern_recognizer

    monkeypatch.setattr(pattern_recognizer, "REGEX_TIMEOUT_SECONDS", 1e-7)
    assert analyzer.find(["x@example.org " * 1000], entities=["EMAIL_ADDRESS"], min_score=0.4) == [None]


def test_a_failing_recognizer_is_not_called_clean(monkeypatch):
    recognizers = analyzer._engine().registry.recognizers
    cards = next(one for one in recognizers if "CREDIT_CARD" in one.supported_entities)

    def fail(text):
        raise ValueError(f"invalid literal for int(): {text}")

    monkeypatch.setattr(cards, "validate_result", fail)
    assert analyzer.find(["4111111111111111", "fine"], entities=["CREDIT_CARD"], min_score=0.4) == [None, ()]


def test_nothing_is_logged_even_after_logging_was_configured_anew():
    from presidio_analyzer import pattern_recognizer

    analyzer.supported_entities()
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        analyzer.find(["my ssn number is 536-22-8723", "GB33BUKB20201555555555"], entities=CHOSEN, min_score=0)
        pattern_recognizer.logger.error("matched 536-22-8723")
        logging.getLogger("airlock").info("this handler listens")
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert stream.getvalue() == "this handler listens\n"


def run(script, *flags):
    return subprocess.run([sys.executable, *flags, "-c", script], capture_output=True, text=True, timeout=120, check=False)


def test_no_socket_is_opened_and_no_warning_raised():
    script = """
import socket, tempfile, os
os.environ["HOME"] = home = tempfile.mkdtemp()
os.environ.pop("XDG_CACHE_HOME", None)
def refuse(*args, **kwargs):
    raise SystemExit("the network was asked for")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from airlock.text import analyzer
texts = ["jo@example.org", "a@b.co.uk, www.example.com", "x@nowhere.invalidtld"]
print([[f.entity for f in found] for found in analyzer.find(texts, entities=["EMAIL_ADDRESS", "URL"], min_score=0.6)])
print(os.listdir(home))
"""
    done = run(script, "-W", "error")
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[['EMAIL_ADDRESS'], ['EMAIL_ADDRESS'], []]", "[]"], done.stdout


def test_nothing_heavy_loads_before_the_first_question():
    script = """
import sys
from airlock.operators import operator_class
operator_class("redact_entities").from_dict({"entities": ["URL"]})
print(sorted({"presidio_analyzer", "spacy", "tldextract"} & set(sys.modules)))
"""
    assert run(script).stdout == "[]\n"


def test_without_presidio_the_extra_is_named():
    script = """
import sys
sys.modules["presidio_analyzer"] = None
import pyarrow as pa
from airlock.errors import MissingCapabilityError
from airlock.text.redact_entities import RedactEntities
try:
    RedactEntities(entities=("URL",)).result_field(pa.field("notes", pa.string()))
except MissingCapabilityError as error:
    print(error.exit_code, error)
"""
    assert run(script).stdout.startswith(
        "2 searching text for entities needs presidio-analyzer, which is not installed. Install airlock[text]"
    )
