"""English and Japanese: every text is translated with its placeholders, and pages are in the reader's language."""

import gettext
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

import dailycast
from dailycast.models import DailyPodcast, Reason, Status

FOLDER = Path(dailycast.__file__).parent / "locale" / "ja" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w*\}")
ENTRY = re.compile(
    r'^msgid (?P<id>(?:"[^\n]*"\n)+)(?:msgid_plural (?:"[^\n]*"\n)+)?msgstr(?:\[0\])? (?P<text>(?:"[^\n]*"\n?)+)', re.M
)


def unquoted(lines: str) -> str:
    return "".join(line[1:-1] for line in lines.splitlines()).replace('\\"', '"').replace("\\n", "\n")


def catalogue() -> dict[str, str]:
    entries = ENTRY.finditer((FOLDER / "django.po").read_text(encoding="utf-8"))
    pairs = {unquoted(entry["id"]): unquoted(entry["text"]) for entry in entries}
    pairs.pop("")
    return pairs


def test_every_text_is_translated_with_its_placeholders() -> None:
    pairs = catalogue()
    assert len(pairs) > 150
    assert [text for text, translated in pairs.items() if not translated] == []
    assert [
        text
        for text, translated in pairs.items()
        if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(translated))
    ] == []


def test_the_compiled_catalogue_matches_its_source() -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    pairs = catalogue()
    plural = "%(found)s episode found for “%(asked)s”."
    assert {text: compiled.gettext(text) for text in pairs if text != plural} == {
        text: translated for text, translated in pairs.items() if text != plural
    }
    assert compiled.ngettext(plural, "x", 3) == pairs[plural]


@pytest.mark.parametrize("choices", [Status, Reason])
def test_stored_codes_are_translated(choices: type[Status] | type[Reason]) -> None:
    for choice in choices:
        with translation.override("en"):
            english = str(choice.label)
        with translation.override("ja"):
            assert str(choice.label) == catalogue()[english] != english


def test_pages_are_in_the_readers_language(client: Client, alex: User) -> None:
    client.force_login(alex)
    DailyPodcast.objects.create(user=alex, status=Status.COMPLETED, script_text="# A\nHi.", error_code=Reason.NO_VOICE)
    assert "All episodes" in client.get("/dailycast/").content.decode()
    japanese = client.get("/dailycast/", headers={"Accept-Language": "ja"}).content.decode()
    assert "すべてのエピソード" in japanese
    assert '<html lang="ja"' in japanese
