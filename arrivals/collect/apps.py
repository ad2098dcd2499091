"""Tells Django of the folder."""

from django.apps import AppConfig


class CollectConfig(AppConfig):
    name = "arrivals.collect"
    label = "collect"
