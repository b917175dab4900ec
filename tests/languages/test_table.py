import pytest

from dailycast.errors import LanguageError
from dailycast.languages import table as languages


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("en", "en"),
        ("EN_us", "en-US"),
        ("pt-br", "pt-BR"),
        (" ja ", "ja"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("es-419", "es-419"),
        ("de-1996", "de-1996"),
    ],
)
def test_codes_get_their_usual_case(given: str, code: str) -> None:
    assert languages.normalise(given) == code


@pytest.mark.parametrize(
    "given", ["xx", "", "english", "en-", "en-US!", "../en", "tlh", "en-" + "-".join(["abcdefgh"] * 5)]
)
def test_an_unknown_code_is_refused_and_the_known_are_named(given: str) -> None:
    with pytest.raises(LanguageError, match=r"Unknown language .*BCP-47.*en, ja, es"):
        languages.normalise(given)


def test_a_region_does_not_change_the_language() -> None:
    assert languages.get_language("en-GB").name == "English"
    assert languages.primary_subtag("en-GB") == "en"


@pytest.mark.parametrize(
    ("code", "stop"), [("en", "."), ("ja", "。"), ("hi", "।"), ("ar", "؟"), ("zh", "！"), ("ko", "."), ("ko", "。")]
)
def test_sentences_stop_in_their_own_script(code: str, stop: str) -> None:
    assert stop in languages.get_language(code).stops
