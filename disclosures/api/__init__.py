"""Filings and authorisations for machines."""

from disclosures.api.authorisations import AUTHORISATION
from disclosures.api.filings import ALLEGATION, DISCLOSURE

__all__ = ["ALLEGATION", "AUTHORISATION", "DISCLOSURE"]
