"""What can be done with feeds and alerts."""

from monitoring.actions.alerts import dismiss, evaluate, review, take
from monitoring.actions.feeds import Received, Sent, pause, receive_batch, resume

__all__ = ["Received", "Sent", "dismiss", "evaluate", "pause", "receive_batch", "resume", "review", "take"]
