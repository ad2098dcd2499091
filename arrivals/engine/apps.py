"""Tells Django of the folder."""

from django.apps import AppConfig


class EngineConfig(AppConfig):
    name = "arrivals.engine"
    label = "engine"
