"""What an episode will need before it is made: USD, and space on the disk."""

from decimal import Decimal

from ..audio import clips, storage
from ..conf import conf
from ..languages.table import get_language
from ..models import DailyPodcast
from ..purchases import prices
from ..script.grammar import parse
from ..tts.base import TTSProvider, Voice
from .providers import voices, writers
from .voices import clip_key, speaks

USUAL_PROMPT_TOKENS = 2_500
CHARACTERS_A_TOKEN = 4
SPACE_FACTOR = 3  # times the speech: the clips, the episode, and something for others
BYTES_A_CHARACTER = 1_000  # of an MP3 at 64 kbit/s, at eight characters a second


def estimate(language: str, minutes: float) -> Decimal | None:
    """What an episode usually costs: USD, by the first writer and the first voice; None when a price is unknown."""
    characters = round(minutes * 60 * get_language(language).rate)
    tokens = USUAL_PROMPT_TOKENS, characters // CHARACTERS_A_TOKEN
    script = [
        prices.cost(f"{writer.name}/{writer.model()}", *tokens, unbilled=writer.unbilled())
        for writer in writers.configured()[:1]
    ]
    return prices.add(*script, _speech_cost(language, characters))


def speech_estimate(language: str, minutes: float) -> Decimal | None:
    """What the speech of an episode usually costs: USD; None when the price is unknown."""
    return _speech_cost(language, round(minutes * 60 * get_language(language).rate))


def remaining_cost(podcast: DailyPodcast) -> Decimal | None:
    """What the episode still costs: USD, None when a price is unknown. Clips that are stored cost nothing."""
    language = podcast.language or conf.DAILYCAST_DEFAULT_LANGUAGE
    if not podcast.script_text:
        return estimate(language, podcast.minutes or conf.DAILYCAST_MINUTES)
    for provider, voice in _first_voice(language):
        texts = dict.fromkeys(parse(podcast.script_text, language).clips)
        missing = [text for text in texts if not clips.is_stored(clip_key(provider.name, voice, text))]
        return _speech_cost(language, sum(map(len, missing)))
    return Decimal(0)


def _speech_cost(language: str, characters: int) -> Decimal | None:
    costs = [
        prices.cost(f"{provider.name}/{voice.engine}", characters, unbilled=provider.unbilled())
        for provider, voice in _first_voice(language)
    ]
    return prices.add(*costs)


def _first_voice(language: str) -> list[tuple[TTSProvider, Voice]]:
    """The voice that speaks first, with its provider; none where none is configured."""
    speakers = [each for each in voices.configured() if speaks(each, language)]
    return [(each, voice) for each in speakers if (voice := each.voice(language))][:1]


def require_writable_media(podcast: DailyPodcast) -> None:
    """Raises StorageError where its audio could not be saved: a script would be paid for that nobody could hear."""
    if podcast.with_audio and voices.configured():
        storage.require_writable()


def bytes_needed(script_text: str) -> int:
    """How much free disk the speech of a script may need."""
    return SPACE_FACTOR * BYTES_A_CHARACTER * len(script_text)
