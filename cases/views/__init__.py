"""The case pages: find, parse, act, answer."""
