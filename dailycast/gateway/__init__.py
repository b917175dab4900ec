"""The one way out to vendors: the base of every provider, the registry by name, HTTP, and texts for what went wrong."""
