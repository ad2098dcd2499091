"""Tells Django of the folder."""

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "arrivals.workflows"
    label = "workflows"
