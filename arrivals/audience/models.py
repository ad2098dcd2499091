"""Tables of segments, lists and reports. Their content is data; ``compiler`` gives it its meaning."""

from django.db import models

from arrivals import clock, ids
from arrivals.accounts.models import Person


class Segment(models.Model):
    """Rules that say who. Without an ``owner`` (made by a key or the product) it is ``shared`` with everyone."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.segment, editable=False)
    name = models.CharField(max_length=200)
    rules = models.JSONField(default=dict)
    shared = models.BooleanField(default=True)
    owner = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)


class SegmentVersion(models.Model):
    """What a segment was from ``at`` on, and who made it so: an e-mail address, "key:...", or empty for the product.

    ``restored`` is the number of the version that it was put back to, if any.
    """

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    at = models.DateTimeField(default=clock.now)
    who = models.CharField(max_length=254, blank=True, default="")
    name = models.CharField(max_length=200)
    rules = models.JSONField(default=dict)
    restored = models.PositiveIntegerField(null=True, default=None)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["segment", "number"], name="segment_version")]


class VisitorList(models.Model):
    """An uploaded list of visitor ids. The ids are in the warehouse, under this id and ``version``."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.visitor_list, editable=False)
    name = models.CharField(max_length=200)
    version = models.PositiveIntegerField(default=1)
    size = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now)


class Report(models.Model):
    """Segment, date range and columns: a table of the visitors of the segment who were active in the range.

    Without a segment it is everybody who was active in the range. Of another ``kind`` it lists the accounts of those
    visitors, or their responses to ``survey``. ``standing`` names the one report that all workflows on the responses to
    a survey share; it is empty (null) for reports that people made. ``origin`` is empty for our own reports; for one of a
    remote Pendo subscription it says which: ``{"connection": "con_...", "report": "<its id there>"}``. Without an ``owner`` it is ``shared`` with everyone.
    """

    id = models.CharField(primary_key=True, max_length=40, default=ids.report, editable=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, default="visitor")
    survey = models.CharField(max_length=255, blank=True, default="")
    standing = models.CharField(max_length=320, null=True, unique=True, default=None)
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, null=True)
    range = models.JSONField(default=dict)
    columns = models.JSONField(default=list)
    origin = models.JSONField(default=dict)
    shared = models.BooleanField(default=True)
    owner = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)


class Chart(models.Model):
    """A question about events as data, drawn. ``segment`` is the one that the definition names, so that it cannot be
    deleted under the chart."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.chart, editable=False)
    name = models.CharField(max_length=200)
    definition = models.JSONField(default=dict)
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)


class Dashboard(models.Model):
    """Charts in an order: ``tiles`` is a list of ``{"chart": id, "size": size}``. ``range`` and ``segment``, where they
    are set, take the place of the charts' own."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.dashboard, editable=False)
    name = models.CharField(max_length=200)
    tiles = models.JSONField(default=list)
    range = models.JSONField(null=True, default=None)
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)


class Tag(models.Model):
    """A name given after the fact: events are it when they satisfy one of the rules, those of the past too.

    ``source_id`` limits it to the events of one source; it is text, so that the name keeps its meaning when the source is
    deleted.
    """

    name = models.CharField(max_length=200)
    group = models.CharField(max_length=200, blank=True, default="")
    source_id = models.CharField(max_length=40, blank=True, default="")
    rules = models.JSONField(default=list)
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)

    class Meta:
        abstract = True
        indexes = [models.Index(fields=["name"])]


class Page(Tag):
    """A name for addresses."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.page, editable=False)


class Feature(Tag):
    """A name for elements."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.feature, editable=False)


class Survey(models.Model):
    """A question that our agent shows. ``key`` is the name of its events, and what rules, columns and reports name.

    ``definition`` is data: its parts are those of ``survey_forms.DEFAULTS``. ``live_since`` is when it last went live.
    """

    id = models.CharField(primary_key=True, max_length=40, default=ids.survey, editable=False)
    key = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10)
    state = models.CharField(max_length=10, default="draft")
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, null=True)
    definition = models.JSONField(default=dict)
    live_since = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)
