"""The pages of filings: find, parse, act, answer."""
