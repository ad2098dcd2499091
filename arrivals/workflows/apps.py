"""Tells Django of the folder, and the checks of what to do when a report cannot be looked at for too long."""

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "arrivals.workflows"
    label = "workflows"

    def ready(self) -> None:
        from arrivals.audience import usage
        from arrivals.watch import checks
        from arrivals.workflows import activation, happenings

        checks.when_given_up(activation.give_up)
        usage.when_asked(happenings.users)
