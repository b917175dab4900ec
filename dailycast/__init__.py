"""A short personal podcast for each learner of a Django LMS, every day.

The flow, each step a named value:

    user -> LearnerContext -> Prompt -> Completion -> script_text (saved at once) -> Script (chapters, clips)
         -> one clip of speech per piece of text -> Speech (MP3 bytes, chapters, cues) -> audio_file -> player

`services` tells this story and holds the three public functions; everything else is a room it calls on.
"""

__version__ = "0.1.0"
