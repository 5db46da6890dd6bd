"""Answers that are chosen from, where both kinds share them or pages name them."""

from __future__ import annotations

ACTIVITY = (
    ("bulk_querying", "Bulk querying of an API"),
    ("output_collection", "Collecting outputs to train on"),
    ("distillation", "Distillation"),
    ("web_scraping", "Web scraping"),
    ("dataset_reuse", "Re-use of a dataset"),
    ("parameter_probing", "Probing for parameters"),
    ("other", "Something else"),
)
PURPOSE = (
    ("training", "Training a model"),
    ("evaluation", "Evaluation or benchmark"),
    ("red_team", "Red-teaming or safety work"),
    ("interoperability", "Interoperability"),
    ("research", "Research"),
    ("compliance_test", "Compliance test"),
    ("production", "Customer production"),
    ("other", "Something else"),
)
BANDS = (
    ("under_10k", "Fewer than 10,000 requests"),
    ("10k_100k", "10,000 to 100,000"),
    ("100k_1m", "100,000 to 1 million"),
    ("1m_10m", "1 million to 10 million"),
    ("10m_100m", "10 million to 100 million"),
    ("over_100m", "More than 100 million"),
)
TIMEZONES = (
    ("Europe/London", "United Kingdom time"),
    ("UTC", "UTC"),
    ("other", "Another time zone (say which in the description)"),
)
LIMBS = (
    ("none", "Not confidential"),
    ("commercial", "Commercial information that might significantly harm our legitimate interests"),
    ("private", "An individual’s private affairs"),
    ("public_interest", "Disclosure would be contrary to the public interest"),
)
