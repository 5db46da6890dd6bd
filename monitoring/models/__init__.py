"""What monitoring keeps."""

from monitoring.models.feed import Alert, AlertStep, AlertVersion, Batch, Feed

__all__ = ["Alert", "AlertStep", "AlertVersion", "Batch", "Feed"]
