"""The languages: name, stops at the end of a sentence, rate of speech."""

from dataclasses import dataclass

from ..errors import LanguageError

LONGEST_CODE = 35  # characters: a BCP-47 code of 35 is the longest that software has to take (RFC 5646, section 4.4.1)
LATIN_STOPS = ".!?…"
CJK_STOPS = "。！？…．"
ARABIC_STOPS = ".!?؟۔…"
DEVANAGARI_STOPS = "।॥.!?…"


@dataclass(frozen=True)
class Language:
    code: str
    name: str  # in English, for prompts
    iso: str  # ISO 639-2/T
    rate: float = 14.5  # characters a second of ordinary speech, pauses between sentences included
    stops: str = LATIN_STOPS
    sentence_space: str = " "  # what is written between two sentences


# Rates of en, es, fr, de and it: measured with SVOX Pico on 230 characters of prose; the others are estimates.
LANGUAGES = {
    language.code: language
    for language in (
        Language("en", "English", "eng", 14.8),
        Language("ja", "Japanese", "jpn", 6.5, CJK_STOPS, ""),
        Language("es", "Spanish", "spa", 12.4),
        Language("fr", "French", "fra", 14.7),
        Language("de", "German", "deu", 14.6),
        Language("it", "Italian", "ita", 12.4),
        Language("pt", "Portuguese", "por"),
        Language("nl", "Dutch", "nld"),
        Language("pl", "Polish", "pol"),
        Language("sv", "Swedish", "swe"),
        Language("tr", "Turkish", "tur"),
        Language("ru", "Russian", "rus"),
        Language("uk", "Ukrainian", "ukr"),
        Language("el", "Greek", "ell"),
        Language("ko", "Korean", "kor", 7.0, LATIN_STOPS + CJK_STOPS),
        Language("zh", "Chinese", "zho", 5.0, CJK_STOPS, ""),
        Language("hi", "Hindi", "hin", 13.0, DEVANAGARI_STOPS),
        Language("ar", "Arabic", "ara", 12.0, ARABIC_STOPS),
        Language("vi", "Vietnamese", "vie"),
        Language("th", "Thai", "tha", sentence_space=""),
        Language("id", "Indonesian", "ind"),
    )
}


def normalise(code: str) -> str:
    """`code` in BCP-47's usual case: `en_us` -> `en-US`, `ZH-hans-cn` -> `zh-Hans-CN`.

    Raises LanguageError for a language that is not in LANGUAGES.
    """
    first, *rest = code.strip().replace("_", "-").split("-")
    is_well_formed = all(part.isascii() and part.isalnum() and len(part) <= 8 for part in rest)
    if first.lower() not in LANGUAGES or not is_well_formed or len(code.strip()) > LONGEST_CODE:
        known_codes = ", ".join(LANGUAGES)
        raise LanguageError(
            f"Unknown language {code[:LONGEST_CODE]!r}. Use a BCP-47 code that starts with one of: {known_codes}."
        )
    return "-".join([first.lower(), *(_subtag_in_usual_case(part) for part in rest)])


def get_language(code: str) -> Language:
    """The entry for a BCP-47 `code`, whatever its region. Raises LanguageError if unknown."""
    return LANGUAGES[primary_subtag(normalise(code))]


def primary_subtag(code: str) -> str:
    """`en-US` -> `en`."""
    return code.split("-")[0]


def _subtag_in_usual_case(part: str) -> str:
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 else part.lower()
