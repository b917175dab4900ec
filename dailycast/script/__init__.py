"""What is said: the prompt for a writer, and the grammar of the script that it returns. Pure text, no I/O."""
