"""From a file that somebody handed in to rows that can be counted on: opening, reading, keeping.

What is promised: the file is read once, in bounded memory, whatever it holds; every data row becomes a row or is
rejected by its line with the reason; the order of the rows changes nothing.
"""

from monitoring.intake.keeping import Kept, take_in
from monitoring.intake.opening import Limits, Unreadable

__all__ = ["Kept", "Limits", "Unreadable", "take_in"]
