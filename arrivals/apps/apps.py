"""Tells Django of the folder, and the workflows of the actions there are."""

from django.apps import AppConfig


class AppsConfig(AppConfig):
    name = "arrivals.apps"
    label = "apps"

    def ready(self) -> None:
        from arrivals.apps import catalogue
        from arrivals.workflows import actions

        actions.install(catalogue.Catalogue())
