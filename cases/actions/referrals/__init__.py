"""Referrals: how one is made, what it carries, what is added to it, and what is done with it."""
