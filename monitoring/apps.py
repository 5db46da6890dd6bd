"""What API usage shows: usage logs, indicators, findings, feeds and alerts."""
