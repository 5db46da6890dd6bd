"""What a record says of its content: one fingerprint for the same content, however it was written."""

from __future__ import annotations

import hashlib
import json
from typing import Any

# Made once: filings in bulk are written a thousand at a time.
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(content: Any) -> str:
    """SHA-256, in hexadecimal, of the content as JSON with sorted keys and no spaces."""
    return hashlib.sha256(_SORTED.encode(content).encode()).hexdigest()
