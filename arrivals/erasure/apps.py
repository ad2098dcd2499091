"""Tells Django of the folder."""

from django.apps import AppConfig


class ErasureConfig(AppConfig):
    name = "arrivals.erasure"
    label = "erasure"
