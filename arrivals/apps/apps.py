"""Tells Django of the folder, the workflows of the actions there are, and the reports of where else they come from."""

from django.apps import AppConfig


class AppsConfig(AppConfig):
    name = "arrivals.apps"
    label = "apps"

    def ready(self) -> None:
        from arrivals.apps import catalogue
        from arrivals.apps.email import notices
        from arrivals.apps.pendo import origin
        from arrivals.audience import origins
        from arrivals.engine import mails
        from arrivals.workflows import actions

        actions.install(catalogue.Catalogue())
        origins.install(origin.Origin())
        mails.install(notices.Sender())
