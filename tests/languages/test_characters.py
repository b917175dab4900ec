import pytest

from dailycast.languages import characters


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("a" * 25, 1.0), ("あ" * 12, 1.0), ("漢字" * 6, 1.0), ("한글" * 6, 1.0), ("カ" * 6 + "a" * 50, 2.5), ("", 0.0)],
)
def test_the_shortest_time_in_which_a_text_can_be_spoken(text: str, seconds: float) -> None:
    assert characters.shortest_seconds(text) == seconds
