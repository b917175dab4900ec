"""The one way out to vendors: what every provider shares, how one is found by its name, what went wrong on the way."""
