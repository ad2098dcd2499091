"""The workflows that a survey's answers start. Blocks."""

from django.db.models import Q

from arrivals.audience import surveys
from arrivals.audience.models import Survey
from arrivals.workflows.models import Workflow


def of(survey: Survey) -> list[Workflow]:
    """Those that run on a report on the survey, and those that name its key in the trigger of their draft or of the
    version that runs; the newest first."""
    reports = [one.id for one in surveys.usage(survey).reports]
    named = Q(report_id__in=reports) | Q(draft__trigger__survey=survey.key)
    named |= Q(version__definition__trigger__survey=survey.key)
    named |= Q(draft__trigger__report__in=reports)
    return list(Workflow.objects.filter(named).distinct().order_by("-id"))
