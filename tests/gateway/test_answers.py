"""What is taken from a vendor: clean texts, sane figures, and errors of one kind."""

import json
import logging
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dailycast.errors import NoEngineError, ProviderError
from dailycast.gateway.answers import (
    MAX_FIGURE,
    MAX_MESSAGE_LENGTH,
    clean_name,
    clean_text,
    provider_errors_only,
    sane_figure,
    sane_units,
    without_odd_figures,
)
from dailycast.gateway.messages import redact_and_shorten
from dailycast.llm.base import Completion
from dailycast.models import DailyPodcast
from dailycast.purchases import prices
from dailycast.tts.base import Clip

ODD_FIGURES = [
    *(900.5, -900, -1, 10**20, 10**12, MAX_FIGURE + 1, float("nan"), float("inf"), float("-inf")),
    *({}, {"a": 1}, [], [12], "12", "", None, True, False, b"12", 1j, ...),
]


@pytest.mark.parametrize("figure", ODD_FIGURES, ids=repr)
def test_an_odd_figure_is_unknown(figure: Any) -> None:
    assert sane_figure(figure) is None
    completion = Completion("# T", "w", "m", figure, figure)
    assert (completion.prompt_tokens, completion.completion_tokens) == (None, None)
    assert Clip(b"", figure).characters is None
    assert sane_units((figure, 1)) is None
    assert sane_units((1, figure)) == (1, None)


@pytest.mark.parametrize(("figure", "sane"), [(0, 0), (12, 12), (900.0, 900), (MAX_FIGURE, MAX_FIGURE)])
def test_a_sane_figure_is_an_int(figure: Any, sane: int) -> None:
    assert sane_figure(figure) == sane
    assert type(sane_figure(figure)) is int


def test_the_largest_figures_at_the_dearest_price_fit_into_a_row(settings: Any) -> None:
    settings.DAILYCAST_PRICES = {"w/m": f"{prices.HIGHEST}/{prices.HIGHEST}"}
    cost = prices.cost("w/m", MAX_FIGURE, MAX_FIGURE)
    assert cost is not None
    DailyPodcast._meta.get_field("cost_usd").clean(cost.quantize(Decimal("0.000001")), None)


@pytest.mark.parametrize("units", [None, 3, "ab", {}, float("nan"), {1: 2}])
def test_units_of_another_kind_are_unknown(units: Any) -> None:
    assert sane_units(units) is None


def test_no_units_mean_that_nothing_is_billed() -> None:
    assert sane_units(()) == ()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\x00b\x08c\x1b\x7fd\x85e", "abcde"),
        ("a\ud800b\udfffc\ufffed\ufdd0e\ufefff", "abcdef"),
        ("a\tb\nc\r\nd\re", "a\tb\nc\nd\ne"),
        ("日本語 🎉", "日本語 🎉"),
        *((value, "") for value in (None, 3, b"bytes", {"text": "a"}, ["a"], True)),
    ],
)
def test_a_text_loses_what_no_database_takes(text: Any, clean: str) -> None:
    assert clean_text(text) == clean
    completion = Completion(text, text, text)
    assert (completion.text, completion.provider, completion.model) == (clean, clean_name(text), clean_name(text))
    assert redact_and_shorten(text) == (" ".join(clean.split()) or "no reason given") + "."


def test_a_name_is_one_line_as_long_as_a_row_holds_it() -> None:
    assert clean_name(" gpt\n6\x00 ") == "gpt 6"
    assert len(clean_name("m" * 500)) == DailyPodcast._meta.get_field("llm_model").max_length


@pytest.mark.parametrize(
    "error",
    [KeyError("a"), IndexError(), TypeError(), ValueError(), AttributeError(), RecursionError(), OverflowError()],
)
def test_an_error_of_reading_is_a_provider_error(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProviderError) as caught, provider_errors_only("school"):
        raise error
    kind = type(error).__name__
    place = "test_an_error_of_reading_is_a_provider_error"
    assert str(caught.value) == f"school gave an answer that could not be read ({kind} in {place}): try again later."
    assert (caught.value.permanent, caught.value.billed) == (False, None)
    assert caplog.records[-1].levelno == logging.ERROR
    assert caplog.records[-1].exc_info


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), OSError()])
def test_any_other_error_is_a_bug_and_stays(error: BaseException) -> None:
    with pytest.raises(type(error)), provider_errors_only("school"):
        raise error


def test_an_error_of_a_provider_can_be_stored() -> None:
    for seconds, sane in ((float("nan"), None), (-1, None), (float("inf"), None), ("3", None), (True, None), (3, 3.0)):
        error: Any = ProviderError("no\x00 \ud800way" + "y" * 5_000, True, seconds, ("12", 3))  # type: ignore[arg-type]
        with pytest.raises(ProviderError) as caught, provider_errors_only("school"):
            raise error
        assert caught.value is error
        assert str(error) == ("no way" + "y" * 5_000)[:MAX_MESSAGE_LENGTH]
        assert (error.permanent, error.retry_after, error.billed) == (True, sane, None)
    with pytest.raises(NoEngineError, match="^no$") as caught, provider_errors_only("school"):
        raise NoEngineError("no\x00")
    assert caught.value.billed == ()


NAMES = ("in", "out")
ODD: tuple[Any, ...] = (900.5, -900, 10**20, {}, "12", True)
NO_USAGE: tuple[Any, ...] = (None, 3, [], "x", {}, {"in": None})


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ({"a": 1, "usage": {"in": 5, "out": 6, "details": [None]}}, {"a": 1, "usage": {"in": 5, "out": 6}}),
        ({"a": 1, "usage": {"in": 5}}, {"a": 1, "usage": {"in": 5}}),
        *(({"a": 1, "usage": {"in": 5, "out": odd}}, {"a": 1}) for odd in ODD),
        *(({"a": 1, "usage": odd}, {"a": 1}) for odd in NO_USAGE),
        ({"a": "x\ud800y"}, {"a": "xy"}),
    ],
)
def test_a_body_is_left_without_odd_figures(answer: Any, left: Any) -> None:
    assert json.loads(without_odd_figures(json.dumps(answer).encode(), "usage", NAMES)) == left
    if "usage" in answer:
        odd = json.dumps(answer).replace("900.5", "NaN").encode()
        assert json.loads(without_odd_figures(odd, "usage", NAMES)) == left


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"3", b"null", b"[" * 200_000, b"\xff", b'{"a": 1'])
def test_any_other_body_stays(body: bytes) -> None:
    assert without_odd_figures(body, "usage", NAMES) == body


@given(st.text(alphabet=st.characters(), max_size=40))
def test_a_clean_text_is_clean(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", clean_text(text))
    assert clean_text(clean_text(text)) == clean_text(text)
    clean_text(text).encode()
