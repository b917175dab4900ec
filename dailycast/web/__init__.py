"""Where an episode is heard and read: private audio, the learner's pages, the private feed."""
