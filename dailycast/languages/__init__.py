"""What we know of a language: its name, its sentence ends, its characters, its rate of speech."""
