import pytest

from dailycast.errors import ProviderError
from dailycast.tts.base import whole
from tests.cloud.speech import speak as tone


def test_whole_returns_the_seconds_of_the_audio() -> None:
    assert whole(tone("x" * 150, 24_000), "x" * 150) == pytest.approx(10.008)


@pytest.mark.parametrize(
    ("mp3", "text", "message"),
    [
        (b"", "Hello", "The audio is not a whole MP3: "),
        (tone("Hello, Alex", 24_000)[:-1], "Hello, Alex", "The audio is not a whole MP3: "),
        (
            tone("x" * 150, 24_000),
            "x" * 251,
            "The audio lasts 10.0 s, too short for its text of 251 characters (10.0 s).",
        ),
        (
            tone("x" * 150, 24_000),
            "日" * 121,
            "The audio lasts 10.0 s, too short for its text of 121 characters (10.1 s).",
        ),
    ],
)
def test_audio_that_lacks_a_part_of_its_text_is_a_transient_error(mp3: bytes, text: str, message: str) -> None:
    with pytest.raises(ProviderError) as caught:
        whole(mp3, text)
    assert str(caught.value).startswith(message)
    assert not caught.value.permanent
