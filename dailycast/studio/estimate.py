"""What an episode will need before it is made: USD, and space on the disk."""

from decimal import Decimal

from ..audio import storage
from ..languages.table import get_language
from ..models import DailyPodcast
from ..purchases import prices
from .providers import voices, writers
from .voices import speaks

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
    speakers = [each for each in voices.configured() if speaks(each, language)]
    spoken = [(each, voice) for each in speakers if (voice := each.voice(language))][:1]
    speech = [
        prices.cost(f"{each.name}/{voice.engine}", characters, unbilled=each.unbilled()) for each, voice in spoken
    ]
    return prices.add(*script, *speech)


def require_writable_media(podcast: DailyPodcast) -> None:
    """Raises StorageError where its audio could not be saved: a script would be paid for that nobody could hear."""
    if podcast.with_audio and voices.configured():
        storage.require_writable()


def bytes_needed(script_text: str) -> int:
    """How much free disk the speech of a script may need."""
    return SPACE_FACTOR * BYTES_A_CHARACTER * len(script_text)
