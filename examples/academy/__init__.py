"""The academy: a small but real LMS, the demo's host. `adapter.py` is the page that every other host copies."""
