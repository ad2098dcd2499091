"""Pendo's aggregations: a pipeline of stages -> one SELECT with bound parameters -> rows.

A row of Pendo's language has fields of any type; a SELECT has columns of one. So each stage is a subselect with a known
list of columns, each of a *kind* (see ``values``): int, float, text and bool are columns of that type, and json is the
text of any JSON value (metadata, properties, an answer to a poll). A field is a path: ``metadata.auto.lastupdated`` is
a column of its own, ``metadata.agent.plan`` is looked up in the JSON of ``metadata.agent``, and ``metadata.auto`` is an
object made of its columns. So numbers come out as JSON numbers, texts as texts, times as whole milliseconds, and what is
missing as null. A field that no row has is null, not an error.

The way of a body: ``pipelines`` reads it, ``sources``, ``stages``, ``groups`` and ``joins`` make ``relations`` of its
stages with expressions by ``expressions`` and ``compiled``, and ``run`` writes them down as SQL and runs it. No text of
the body stands in the SQL: values are bound, and columns have names of our own.
"""

from arrivals.audience.aggregation.run import Answer, run

__all__ = ["Answer", "run"]
