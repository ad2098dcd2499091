"""Tells Django of the folder."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "arrivals.web"
    label = "web"
