import argparse


def positive_int(text: str) -> int:
    """The value of an option that must be a whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
