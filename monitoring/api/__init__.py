"""Monitoring for machines."""
