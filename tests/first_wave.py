"""A database and its media as release 0.1.0 left them, for tests of the upgrade.

`rows.json` is a dump that `loaddata` takes, made by that release: each status, reason and outcome occurs, two workers
were killed while they worked, and the vendors' stand-in of `tests/cloud` was the vendor. `recorded.json` is what that
release answered for these rows, and what each bought clip is known by. No MP3 is in git: `restore_media` makes them.
"""

import json
from pathlib import Path
from typing import Any

from tests.cloud.speech import speak

FOLDER = Path(__file__).parent / "data" / "first_wave"
ROWS: Path = FOLDER / "rows.json"
RECORDED: dict[str, Any] = json.loads((FOLDER / "recorded.json").read_text(encoding="utf-8"))
DAY = "2026-11-27"  # on which it was recorded, and the date of its last nightly edition
LAST_MIGRATION = "0005_listening"

# What none of the stored clips holds; the first of them is in the script that nobody had written.
NOT_BOUGHT = [
    "Nobody wrote this before.",
    "Come back to them tomorrow.",
    "Good evening, Kim.",
    "Ten words about food are due today.",
    "This sentence is not spoken yet.",
]
NEW_SCRIPT = f"# Asked for on the page\n{NOT_BOUGHT[0]}"


def stored(model: str) -> dict[int, dict[str, Any]]:
    """The fields of each row of `model`, by its key, as they are in the dump."""
    rows = json.loads(ROWS.read_text(encoding="utf-8"))
    return {row["pk"]: row["fields"] for row in rows if row["model"] == model}


PODCASTS = stored("dailycast.dailypodcast")
PUT_BACK, KILLED_SPEAKING, KILLED_WRITING, NEVER_BEGUN = UNFINISHED = (13, 15, 16, 17)
AUDIBLE = [pk for pk in PODCASTS if RECORDED["podcasts"][str(pk)]["has_audio"]]


def restore_media(media: Path) -> None:
    """Put a file in the place of each bought clip and of each episode's audio."""
    clips = media / "podcasts" / "clips"
    clips.mkdir(parents=True)
    texts = {clip["key"]: clip["text"] for clip in RECORDED["clips"]}
    for key in RECORDED["stored"]:
        (clips / f"{key}.mp3").write_bytes(speak(texts[key], 24_000))
    for pk in AUDIBLE:
        audio = speak(PODCASTS[pk]["title"], 24_000).ljust(PODCASTS[pk]["audio_bytes"], b"\0")
        (media / PODCASTS[pk]["audio_file"]).write_bytes(audio)
