"""How an episode sounds and where its sound is kept: MP3, tags, captions, cover, stored clips, the file storage."""
