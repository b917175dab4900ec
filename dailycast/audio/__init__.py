"""How an episode sounds, and its files: MP3, tags, captions, cover, stored clips, the file storage."""
