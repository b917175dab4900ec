import argparse


def count(text: str) -> int:
    """A whole number above 0, for an option."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
