"""A short personal podcast for each learner of a Django LMS, every day.

From a user to an episode, each step a named value:

    user -> LearnerContext -> Prompt -> Completion -> script_text (saved at once) -> Script (chapters, clips)
         -> one Clip of speech for each piece of text -> Speech (MP3 bytes, chapters, cues) -> audio_file -> player

`services` has these steps in order, and the three public functions. docs/architecture.md has a table of the folders.
"""

__version__ = "0.1.0"
