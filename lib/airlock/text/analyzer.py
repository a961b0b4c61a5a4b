"""Presidio's own analyzer, offline and without a language model: the only home of presidio_analyzer.

`redact_entities` asks it what can be found and where. Nothing of presidio or spaCy loads before the first question.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from airlock.errors import MissingCapabilityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["LONGEST_TEXT", "Finding", "find", "supported_entities"]

LONGEST_TEXT = 100_000
"""Characters. A longer text is not searched: the phone matcher gives up silently after 65,535 candidates."""

_LANGUAGE = "en"
_LOGGERS = ("presidio-analyzer", "decision_process", "tldextract", "spacy")
_ENGINE_LOCK = threading.Lock()


class Finding(NamedTuple):
    """One entity in a text: characters `start` to `end` (code points, end exclusive), and presidio's score from 0 to 1."""

    entity: str
    start: int
    end: int
    score: float


def supported_entities() -> frozenset[str]:
    """The entities that the installed recognizers find.

    Raises:
        MissingCapabilityError: presidio-analyzer is not installed.

    Example:
        >>> sorted({"EMAIL_ADDRESS", "PERSON"} & supported_entities())
        ['EMAIL_ADDRESS']
    """
    return frozenset(_engine().get_supported_entities(language=_LANGUAGE))


def find(texts: Iterable[str], *, entities: Sequence[str], min_score: float) -> list[tuple[Finding, ...] | None]:
    """Search each text: what presidio's `AnalyzerEngine.analyze` returns for it, in its order.

    None stands for a text whose search did not complete: longer than LONGEST_TEXT, a pattern that ran into presidio's time
    limit (which presidio skips without a word), or a recognizer that failed. Nobody may take such a text for clean.

    Args:
        texts: Distinct texts; equal ones are searched again.
        entities: Which entities, out of `supported_entities()`.
        min_score: Lowest score that counts, from 0 to 1.

    Raises:
        MissingCapabilityError: presidio-analyzer is not installed.

    Example:
        >>> find(["mail jo@example.org"], entities=["EMAIL_ADDRESS"], min_score=0.4)
        [(Finding(entity='EMAIL_ADDRESS', start=5, end=19, score=1.0),)]
    """
    engine = _engine()
    # spaCy keeps every token it ever saw; a memory zone lets go of them, and there can be one at a time.
    with _ENGINE_LOCK, engine.nlp_engine.forgetting():
        return [_search(engine, text, list(entities), min_score) for text in texts]


def _search(engine: Any, text: str, entities: list[str], min_score: float) -> tuple[Finding, ...] | None:
    if len(text) > LONGEST_TEXT:
        return None
    wall, processor = time.monotonic(), time.process_time()
    try:
        results = engine.analyze(text=text, language=_LANGUAGE, entities=entities, score_threshold=min_score)
    except Exception:  # noqa: BLE001 - validators fail on digits that int() does not know, with messages that quote them
        return None
    if max(time.monotonic() - wall, time.process_time() - processor) >= _pattern_timeout():
        return None
    return tuple(Finding(found.entity_type, found.start, found.end, found.score) for found in results)


def _pattern_timeout() -> float:
    from presidio_analyzer import pattern_recognizer  # noqa: PLC0415

    return pattern_recognizer.REGEX_TIMEOUT_SECONDS


@cache
def _engine() -> Any:
    _silence()
    try:
        import presidio_analyzer  # noqa: PLC0415
        from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider  # noqa: PLC0415
    except ImportError:
        raise MissingCapabilityError(
            "searching text for entities needs presidio-analyzer, which is not installed. "
            "Install airlock[text], or take 'redact_entities' out of the policy",
            extra="text",
        ) from None
    _pin_suffix_list()
    provider = RecognizerRegistryProvider(registry_configuration={"supported_languages": [_LANGUAGE]})
    return presidio_analyzer.AnalyzerEngine(
        registry=provider.create_recognizer_registry(), nlp_engine=_Tokenizer(), supported_languages=[_LANGUAGE]
    )


def _silence() -> None:
    # A filter outlives logging.config.dictConfig, which sets `disabled` back and takes handlers off.
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_never)


def _never(record: logging.LogRecord) -> bool:
    """Drop the record: presidio logs matched text and context words."""
    del record
    return False


def _pin_suffix_list() -> None:
    # The e-mail recognizer asks this one extractor; made as is, it opens the network at the first e-mail.
    from tldextract import TLDExtract, tldextract  # noqa: PLC0415

    tldextract.TLD_EXTRACTOR = TLDExtract(suffix_list_urls=(), cache_dir=None)


class _Tokenizer:
    """What presidio calls an NLP engine: spaCy's rule-based English tokens, each its own lemma, so that context words count.

    Not derived from presidio's abstract class, for that would import presidio; it is never asked for.
    """

    def __init__(self) -> None:
        self._nlp: Any = None

    def load(self) -> None:
        import spacy  # noqa: PLC0415

        self._nlp = spacy.blank(_LANGUAGE)

    def is_loaded(self) -> bool:
        return self._nlp is not None

    def forgetting(self) -> Any:
        return self._nlp.memory_zone()

    def process_text(self, text: str, language: str) -> Any:
        from presidio_analyzer.nlp_engine import NlpArtifacts  # noqa: PLC0415

        tokens = self._nlp.tokenizer(text)
        return NlpArtifacts(
            entities=[],
            tokens=tokens,
            tokens_indices=[token.idx for token in tokens],
            lemmas=[token.text for token in tokens],
            nlp_engine=self,
            language=language,
        )

    def process_batch(self, texts: Iterable[str], language: str, **_options: Any) -> Iterator[tuple[str, Any]]:
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        del language
        return self._nlp.vocab[word].is_stop

    def is_punct(self, word: str, language: str) -> bool:
        del language
        return self._nlp.vocab[word].is_punct

    def get_supported_entities(self) -> list[str]:
        return []

    def get_supported_languages(self) -> list[str]:
        return [_LANGUAGE]
