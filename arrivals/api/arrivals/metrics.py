"""/metrics: numbers for Prometheus, read from the stores at the time of asking, so that all processes tell the same."""

from collections.abc import Iterator

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from ninja import Router
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from arrivals.accounts import wrong_keys
from arrivals.api.arrivals.auth import READ
from arrivals.collect import writer
from arrivals.engine import history
from arrivals.errors import Unavailable
from arrivals.warehouse import upkeep
from arrivals.watch.models import Arrival, Watch
from arrivals.workflows.models import Workflow

router = Router()
MOST_COUNTED = 1_000_000


class _Stores(Collector):
    def collect(self) -> Iterator[Metric]:
        by_state = GaugeMetricFamily("arrivals_runs", "Runs in each state, counted up to a million.", labels=["state"])
        for state, number in history.counts(most=MOST_COUNTED).items():
            by_state.add_metric([state], number)
        yield by_state
        on_report = GaugeMetricFamily("arrivals_on_report", "Members on a report at its last check.", labels=["report"])
        errors = GaugeMetricFamily("arrivals_report_errors", "Checks that failed in a row.", labels=["report"])
        late = "Changes that only a look at everybody found, ever: more than none is an error of Arrivals."
        missed = CounterMetricFamily("arrivals_report_missed", late, labels=["report"])
        for watch in Watch.objects.filter(active=True):
            on_report.add_metric([watch.report_id], watch.on_report)
            errors.add_metric([watch.report_id], watch.errors)
            missed.add_metric([watch.report_id], watch.missed)
        yield on_report
        yield errors
        yield missed
        yield from _warehouse()
        # The highest number and not a count: it costs the same with a hundred million of them.
        last = Arrival.objects.aggregate(last=Max("id"))["last"] or 0
        yield GaugeMetricFamily("arrivals_last_arrival", "Number of the newest arrival or departure.", value=last)
        on = Workflow.objects.filter(state=Workflow.State.ON).count()
        yield GaugeMetricFamily("arrivals_workflows_on", "Workflows that are on.", value=on)
        wrong = wrong_keys.last_day().uses
        yield GaugeMetricFamily("arrivals_wrong_keys", "Uses of wrong integration keys in the last day.", value=wrong)
        try:
            taking = writer.current()
        except Unavailable:
            return
        yield GaugeMetricFamily("arrivals_writer_queued", "Events that wait to be written.", value=taking.queued)
        refused = "Events of Pendo's agent that could not be kept, since this process started."
        yield GaugeMetricFamily("arrivals_agent_refused", refused, value=taking.refused)
        dropped = "Events that browsers had no room left to keep until they were sent, since this process started."
        yield GaugeMetricFamily("arrivals_agent_dropped", dropped, value=taking.dropped)


def _warehouse() -> Iterator[Metric]:
    """The event store's disk, parts and merges."""
    disk, (merges, mutations) = upkeep.disk(), upkeep.under_way()
    yield GaugeMetricFamily("arrivals_disk_free_bytes", "Free on the event store's disk.", value=disk.free)
    yield GaugeMetricFamily("arrivals_disk_bytes", "Size of the event store's disk.", value=disk.total)
    yield GaugeMetricFamily("arrivals_disk_reserve_bytes", "With less free, events are refused.", value=disk.reserve)
    size = GaugeMetricFamily("arrivals_table_bytes", "A table of the event store, on disk.", labels=["table"])
    parts = GaugeMetricFamily("arrivals_table_parts", "Parts in a table's fullest partition.", labels=["table"])
    for table in upkeep.tables():
        size.add_metric([table.name], table.size)
        parts.add_metric([table.name], table.most)
    yield size
    yield parts
    yield GaugeMetricFamily("arrivals_merges", "Merges of parts that run.", value=merges)
    yield GaugeMetricFamily("arrivals_mutations", "Changes of rows that are not done yet.", value=mutations)


@router.get("", auth=READ, openapi_extra={"responses": {200: {"content": {"text/plain": {}}}}})
def get_metrics(request: HttpRequest) -> HttpResponse:
    """Runs by state, visitors on watched reports, failed checks, uses of wrong keys, events that wait to be written."""
    registry = CollectorRegistry()
    registry.register(_Stores())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
