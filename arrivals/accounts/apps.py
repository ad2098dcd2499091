"""Tells Django of the folder."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "arrivals.accounts"
    label = "accounts"
