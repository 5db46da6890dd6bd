"""Who: organisations, people, roles, invitations, the permission kernel."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
