"""What we know of a language: its name, its sentence ends, its characters, how fast it is spoken."""
