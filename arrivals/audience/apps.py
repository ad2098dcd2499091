"""Tells Django of the folder."""

from django.apps import AppConfig


class AudienceConfig(AppConfig):
    name = "arrivals.audience"
    label = "audience"
