"""Assembly: clips and pauses become one MP3 with its tag."""

import logging

from ..audio import captions, cover, id3, mp3
from ..audio.captions import ChapterMark
from ..conf import conf
from ..errors import DailycastError, Mp3Error, ProviderError
from ..languages.table import get_language
from ..models.dates import today
from ..script.grammar import Pause, Script

logger = logging.getLogger("dailycast")


def join(script: Script, spoken: dict[str, bytes]) -> mp3.JoinedMp3:
    """The pieces of `script` one after another; `spoken` has the MP3 of each text. Raises ProviderError."""
    pieces = [piece for chapter in script.chapters for piece in chapter.pieces]
    try:
        return mp3.join([piece.seconds if isinstance(piece, Pause) else spoken[piece] for piece in pieces])
    except Mp3Error as error:
        raise ProviderError(f"the clips cannot be joined: {error}", permanent=True) from error


def add_tag(joined: mp3.JoinedMp3, script: Script, marks: list[ChapterMark], language: str, speaker: str) -> bytes:
    """The MP3 behind its tag. A cover that cannot be read must not cost an episode: it is left out."""
    try:
        image, image_type = cover.load_cover()
    except DailycastError as error:
        logger.warning("Dailycast: the episode has no cover: %s", error)
        image, image_type = b"", ""
    tag = id3.Tag(
        title=script.title or conf.DAILYCAST_TITLE,
        show=conf.DAILYCAST_TITLE,
        made_on=today(),
        language=get_language(language).iso,
        comment=speaker,
        lyrics="\n\n".join(captions.transcript_paragraphs(script)),
        duration=joined.duration,
        chapters=[(mark.start, mark.title) for mark in marks],
        cover=image,
        cover_type=image_type,
    )
    return id3.add_tag(joined.mp3, tag)
