"""What monitoring keeps."""

from monitoring.models.analysis import Analysis, AnalysisReport

__all__ = ["Analysis", "AnalysisReport"]
