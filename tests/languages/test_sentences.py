"""Where a sentence ends."""

import pytest

from dailycast.languages.sentences import split_sentences


@pytest.mark.parametrize(
    "short",
    [
        *(
            "Dr",
            "Mr",
            "Mrs",
            "Ms",
            "Prof",
            "St",
            "Jr",
            "Sr",
            "Sra",
            "Dra",
            "Mme",
            "Mlle",
            "Hr",
            "Fr",
            "Nr",
            "Sig",
            "Dott",
        ),
        *("vs", *"AMZamzÀñɏͰΩяԯ"),
    ],
)
def test_an_abbreviation_ends_no_sentence(short: str) -> None:
    assert split_sentences(f"So {short}. Xu ging. Ja", "en") == [f"So {short}. Xu ging. ", "Ja"]
    assert split_sentences(f"So a{short}. Xu 5{short}. Ja", "en") == [f"So a{short}. ", f"Xu 5{short}. ", "Ja"]


@pytest.mark.parametrize("closer", "])}\"'”“’‘»«」』）】〉》］｝")
def test_a_closing_mark_stays_with_its_sentence(closer: str) -> None:
    assert split_sentences(f"Yes.{closer} No.", "en") == [f"Yes.{closer} ", "No."]
    assert split_sentences(f"行。{closer}次。", "ja") == [f"行。{closer}", "次。"]


@pytest.mark.parametrize("opener", "«‹“„")
def test_an_opening_quote_belongs_to_the_next_sentence(opener: str) -> None:
    assert split_sentences(f"Non ! {opener} Oui.", "fr") == ["Non ! ", f"{opener} Oui."]
    assert split_sentences(f"Non. {opener}Oui.", "fr") == ["Non. ", f"{opener}Oui."]


@pytest.mark.parametrize(
    ("language", "text", "parts"),
    [
        ("en", "", [""]),
        ("en", "! ? ! ?", ["! ? ! ?"]),
        ("en", "One. Two! Three? Four… Five", ["One. ", "Two! ", "Three? ", "Four… ", "Five"]),
        ("en", "It is 3.14. Or 2.5? Yes.", ["It is 3.14. ", "Or 2.5? ", "Yes."]),
        ("en", "See e.g. Paris. And i.e. that etc. too.", ["See e.g. Paris. ", "And i.e. that etc. too."]),
        (
            "en",
            "Dr. X and Prof. Y met Mrs. Z. vs. U.S. Steel. Ok.",
            ["Dr. X and Prof. Y met Mrs. Z. vs. U.S. Steel. ", "Ok."],
        ),
        ("en", "Is it Dr? No. I hear. Mid. It is.", ["Is it Dr? ", "No. ", "I hear. ", "Mid. ", "It is."]),
        (
            "en",
            'He said "Go!" Then (yes.) So "Why?" he said.',
            ['He said "Go!" ', "Then (yes.) ", 'So "Why?" he said.'],
        ),
        ("en", 'Stop. "Why?" (Ok.) [No] ¿Sí?', ["Stop. ", '"Why?" ', "(Ok.) ", "[No] ¿Sí?"]),
        ("en", "Ok. ¿Sí? No.", ["Ok. ", "¿Sí? ", "No."]),
        ("en", "Wait... What?! !! No", ["Wait... ", "What?! !! ", "No"]),
        ("en", "... Hello. Bye", ["... Hello. ", "Bye"]),
        ("en", "Well... maybe. A.b C", ["Well... maybe. ", "A.b C"]),
        ("en", "One.Two.—Three", ["One.Two.—Three"]),
        ("en", "行く。次", ["行く。次"]),
        ("fr", "« Non ! » Il part ! « Oui » Fin.", ["« Non ! » ", "Il part ! ", "« Oui » Fin."]),
        ("de", "Er ging. »Ja.« Und „Gut.“ Ende.", ["Er ging. ", "»Ja.« ", "Und „Gut.“ ", "Ende."]),
        ("el", "Ο κ. Α. Ναι. Ok", ["Ο κ. Α. Ναι. ", "Ok"]),
        ("ja", "行く。「はい。」と！？ 次……終", ["行く。", "「はい。」", "と！？ ", "次……", "終"]),
        ("ja", "円は３．１４です．次", ["円は３．１４です．", "次"]),
        ("ja", "３． １４．a．５", ["３． ", "１４．", "a．", "５"]),
        ("ja", "Go. Now! 次", ["Go. Now! 次"]),
        ("ja", "約３．１次。３。４", ["約３．１次。", "３。", "４"]),
        ("zh-CN", "你好。再见！", ["你好。", "再见！"]),
        ("ko", "네. 좋아요! 行。次", ["네. ", "좋아요! ", "行。", "次"]),
        ("ar", "نعم؟ لا. ربما۔ثم", ["نعم؟ ", "لا. ", "ربما۔", "ثم"]),
        ("hi", "एक। दो॥तीन. चार", ["एक। ", "दो॥", "तीन. ", "चार"]),
    ],
)
def test_sentences(language: str, text: str, parts: list[str]) -> None:
    assert split_sentences(text, language) == parts
