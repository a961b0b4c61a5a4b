"""How a locale writes: names, streets, post codes, addresses; and which phone numbers are nobody's. Data, called by the other pools."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STYLES", "Style"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One locale's forms.

    Attributes:
        streets: `{}` is a name; the forms take turns.
        number_first: The house number stands before the street.
        family_first: The last name stands before the first name.
        postcode: `#` is a digit, `?` a letter; the place's own beginning fills the first of them, `^` stands for all of it.
        line: The address after the street.
        phones: `#` is a digit. Numbers kept free for fiction, or of an area that no number can have.
    """

    streets: tuple[str, ...]
    postcode: str
    line: str = "{postcode} {city}"
    number_first: bool = False
    family_first: bool = False
    phones: tuple[str, ...]


_US_AREAS = [
    str(code) for code in range(201, 980) if str(code)[1] != "9" and str(code)[1:] not in ("00", "11") and str(code)[0] != "8"
]
"""Of the form that the North American Numbering Plan gives area codes, without those of free and special calls."""

STYLES = {
    "de_DE": Style(
        streets=("{}straße", "{}weg", "{}allee", "{}gasse", "{}platz", "{}ring"),
        postcode="#####",
        # Bundesnetzagentur: Rufnummern für Medienproduktionen.
        phones=("030 23125 ###", "040 66969 ###", "069 90009 ###", "089 99998 ###", "0221 4710 ###"),
    ),
    "en_GB": Style(
        streets=("{} Street", "{} Road", "{} Lane", "{} Close", "{} Avenue", "{} Gardens"),
        postcode="^# #??",
        line="{city}, {postcode}",
        number_first=True,
        # Ofcom: telephone numbers for use in TV and radio drama programmes.
        phones=(
            "0113 496 0###", "0114 496 0###", "0115 496 0###", "0116 496 0###", "0117 496 0###", "0118 496 0###", "0121 496 0###",
            "0131 496 0###", "0141 496 0###", "0151 496 0###", "0161 496 0###", "020 7946 0###", "0191 498 0###", "028 9649 6###",
            "029 2018 0###", "01632 960###", "07700 900###",
        ),
    ),
    "en_US": Style(
        streets=("{} Street", "{} Avenue", "{} Road", "{} Drive", "{} Lane", "{} Court"),
        postcode="#####",
        line="{city}, {state} {postcode}",
        number_first=True,
        # NANP (INC 00-0217-002): 555-0100 to 555-0199 are for fiction, in every area.
        phones=tuple(f"({area}) 555-01##" for area in _US_AREAS),
    ),
    "es_ES": Style(
        streets=("Calle {}", "Avenida {}", "Plaza {}", "Paseo {}"),
        postcode="####0",
        phones=("+34 000 0## ###",),
    ),
    "fr_FR": Style(
        streets=("rue {}", "avenue {}", "chemin {}", "boulevard {}"),
        postcode="####0",
        number_first=True,
        # ARCEP, decision 2018-0881, 2.5.12: numbers for audiovisual works.
        phones=("01 99 00 ## ##", "02 61 91 ## ##", "03 53 01 ## ##", "04 65 71 ## ##", "05 36 49 ## ##", "06 39 98 ## ##"),
    ),
    "it_IT": Style(
        streets=("Via {}", "Viale {}", "Piazza {}", "Corso {}"),
        postcode="^",
        phones=("+39 100 0## ###",),
    ),
    "ja_JP": Style(
        streets=("{}",),
        postcode="###-00##",
        line="〒{postcode} {state}{city}",
        family_first=True,
        phones=("00-000#-####",),
    ),
    "nl_NL": Style(
        streets=("{}straat", "{}laan", "{}weg", "{}plein"),
        postcode="#### ??",
        phones=("+31 00 00# ####",),
    ),
    "pl_PL": Style(
        streets=("ul. {}",),
        postcode="##-##0",
        phones=("+48 00 00# ## ##",),
    ),
    "pt_BR": Style(
        streets=("Rua {}", "Avenida {}", "Travessa {}", "Praça {}"),
        postcode="#####-000",
        line="{city} - {state}, {postcode}",
        phones=("(00) 900#-####",),
    ),
    "sv_SE": Style(
        streets=("{}gatan", "{}vägen", "{}gränd", "{}torget"),
        postcode="### ##",
        # PTS: telefonnummer för användning i böcker och filmer.
        phones=("031-390 06 ##", "040-628 04 ##", "08-465 004 ##", "0980-319 2##"),
    ),
}  # fmt: skip
"""By locale, as Faker names it."""
