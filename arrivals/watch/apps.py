"""Tells Django of the folder."""

from django.apps import AppConfig


class WatchConfig(AppConfig):
    name = "arrivals.watch"
    label = "watch"
