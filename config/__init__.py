"""The composition root: it may import every room, and no room imports it."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
