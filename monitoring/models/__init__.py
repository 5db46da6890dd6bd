"""What monitoring keeps."""

from monitoring.models.analysis import Analysis, AnalysisGrant, AnalysisReport, ComparedAuthorisation
from monitoring.models.comparison import Comparison, Unrelated
from monitoring.models.feed import Alert, AlertStep, AlertVersion, Batch, Feed, WindowReading

__all__ = [
    "Alert",
    "AlertStep",
    "AlertVersion",
    "Analysis",
    "AnalysisGrant",
    "AnalysisReport",
    "Batch",
    "ComparedAuthorisation",
    "Comparison",
    "Feed",
    "Unrelated",
    "WindowReading",
]
