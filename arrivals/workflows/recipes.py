"""Recipes: a segment, a report and a workflow made together, from a few answers. Blocks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import models, transaction

from arrivals import clock
from arrivals.audience import remote, reports, rows, segments
from arrivals.audience.models import Report, Segment
from arrivals.errors import ArrivalsError, Invalid, InvalidReport, NotFound
from arrivals.workflows import activation, links, recipe_looks, recipe_targets, templates, triggers, workflows
from arrivals.workflows.models import Activation, Workflow
from arrivals.workflows.recipe_book import RECIPES, Recipe
from arrivals.workflows.recipe_looks import Look
from arrivals.workflows.recipe_parameters import Parameter, check
from arrivals.workflows.recipe_plans import Plan
from arrivals.workflows.recipe_targets import TARGETS, Target

NAME = Parameter("name", "Name", "Of the workflow.", default="")
APP = Parameter("app", "App", "Where the message goes.", default="inbox")


@dataclass(frozen=True)
class Made:
    """What a recipe made; ``segment`` is None where it needs none, ``activation`` for a workflow that is off."""

    segment: Segment | None
    report: Report
    workflow: Workflow
    activation: Activation | None = None


@dataclass(frozen=True)
class Order:
    """A recipe with checked answers. ``names``: of the segment, the report and the workflow. ``problem``: what is wrong
    with where the message goes; the rest can be shown all the same. ``look``: at a remote report."""

    recipe: Recipe
    values: dict[str, Any]
    target: Target
    plan: Plan
    step: dict[str, Any]
    names: tuple[str, str, str]
    problem: Invalid | None
    look: Look | None


def all_recipes() -> list[Recipe]:
    """All recipes, in the order in which they are shown."""
    return list(RECIPES.values())


def get(recipe_id: str) -> Recipe:
    """Raises NotFound."""
    if recipe_id not in RECIPES:
        raise NotFound(f"There is no recipe {recipe_id!r:.60}; there are {', '.join(RECIPES)}.")
    return RECIPES[recipe_id]


def as_dict(recipe: Recipe) -> dict[str, Any]:
    """id, title, sentence, note, makes, parameters, and targets: by app its title and further parameters."""
    targets = {
        app: {"title": target.title, "parameters": [one.as_dict() for one in _of_target(recipe, target)]}
        for app, target in TARGETS.items()
    }
    return {
        "id": recipe.id,
        "title": recipe.title,
        "sentence": recipe.sentence,
        "note": recipe.note,
        "makes": list(recipe.makes),
        "parameters": [one.as_dict() for one in (*recipe.parameters, NAME, APP)],
        "targets": targets,
    }


def preview(recipe_id: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What would be made, with numbers; stores nothing.

    ``makes``: segment {name, rules} or None, report and workflow as definitions (the workflow's trigger without a
    report). ``in_segment`` (None without one) and ``on_report``: how many now. ``message``: the step's inputs filled in
    for somebody on the report, and ``shown_for``: that one's id, or None when the message shows a made-up one.
    ``direction``: "in" for those who come onto the report, "out" for those who leave it. ``problem``: what is wrong with
    where the message goes, or None.

    Raises:
        NotFound; Invalid: with the path of the wrong parameter. CheckTimeout: a count takes longer than 30 s. AppError: a
        remote report cannot be looked at.
    """
    order = _order(recipe_id, params)
    segment_name, report_name, workflow_name = order.names
    segment = order.plan.segment
    on_report, member, context = _seen(order)
    pages = links.of("run_...", {"arrival": {"report": "rep_..."}, "workflow": {"id": "wf_..."}})
    return {
        "recipe": recipe_id,
        "parameters": order.values,
        "makes": {
            "segment": {**segment, "name": segment_name} if segment else None,
            "report": {**order.plan.report, "name": report_name or order.plan.report["name"]},
            "workflow": _definition(order, workflow_name),
        },
        "in_segment": segments.preview(segment["rules"], sample=0).count if segment else None,
        "on_report": on_report,
        "message": templates.render_value(order.step["inputs"], {**context, "links": pages}),
        "shown_for": member,
        "direction": triggers.of(order.plan.trigger).direction,
        "problem": order.problem.message if order.problem else None,
    }


def make(recipe_id: str, params: Mapping[str, Any], *, by: str = "", activate: bool = False) -> Made:
    """Make segment, report and workflow; with ``activate`` turn the workflow on, starting from now.

    1. Check the answers and where the message goes.
    2. One transaction: the three. Refused or killed here, there is nothing.
    3. Activate, where asked. When that is refused (the report takes too long, say), the three are taken back. Killed
       here, they are there, and the workflow is off.

    Raises:
        NotFound; Invalid: with the path of the wrong parameter. InvalidDefinition: a template among them is wrong.
        CheckTimeout: the report takes longer than 30 s. AppError: a remote report cannot be looked at.
    """
    order = _order(recipe_id, params)
    if order.problem:
        raise order.problem
    since = clock.now()
    with transaction.atomic():
        made = _stored(order, by)
    if not activate:
        return made
    try:
        chosen = activation.activate(made.workflow.id, "skip", by=by)
    except ArrivalsError:
        with transaction.atomic():
            _taken_back(made, since)
        raise
    return replace(made, workflow=workflows.get(made.workflow.id), activation=chosen)


def _stored(order: Order, by: str) -> Made:
    segment_name, report_name, workflow_name = order.names
    planned = order.plan.segment
    segment = segments.create(segment_name, planned["rules"], who=by) if planned else None
    definition = _definition(order, workflow_name)
    if order.plan.shared:
        workflow = workflows.create(definition, by=by)
        return Made(segment, reports.get(workflow.report_id or ""), workflow)
    if order.look:  # asked about it before the transaction, which is no place to wait for another product
        report = Report.objects.create(**{**order.look.fields, "name": report_name})
    else:
        report = reports.create({**order.plan.report, "name": report_name, "segment": segment.id if segment else None})
    definition["trigger"] = {**definition["trigger"], "report": report.id}
    return Made(segment, report, workflows.create(definition, by=by))


def _taken_back(made: Made, since: datetime) -> None:
    workflows.delete(made.workflow.id)
    if made.report.created_at >= since:  # a shared one may have been there before
        reports.delete(made.report.id)
    if made.segment:
        segments.delete(made.segment.id)


def _order(recipe_id: str, params: Mapping[str, Any]) -> Order:
    recipe = get(recipe_id)
    target = recipe_targets.of(params.get("app") or APP.default)
    asked = _of_target(recipe, target)
    lenient = [replace(one, default=one.default or "") for one in asked]
    values = check((*recipe.parameters, NAME, APP, *lenient), params)
    look = _look(recipe, values)
    plan = recipe.plan(values)
    names = (
        plan.segment["name"] if plan.segment else "",
        "" if plan.shared else plan.report["name"],
        values["name"] or f"{plan.name} to {target.where}",
    )
    step = recipe_targets.step(target, values, plan.message)
    return Order(recipe, values, target, plan, step, _free(names), recipe_targets.check(target, asked, values), look)


def _look(recipe: Recipe, values: Mapping[str, Any]) -> Look | None:
    """At the remote report of a recipe that has one. Raises Invalid: a chosen column is not among its columns."""
    if "pendo" not in values:
        return None
    try:
        look = recipe_looks.of(values["pendo"], values["report"])
    except InvalidReport as error:
        names = {"origin.connection": "pendo", "origin.report": "report"}
        raise Invalid(error.message, path=names.get(error.path, "report")) from error
    for one in recipe.parameters:
        if one.kind == "column" and values[one.name] and look.count and values[one.name] not in look.columns:
            there = ", ".join(look.columns)
            raise Invalid(f"The report has no column {values[one.name]!r:.80}; there are {there:.500}.", path=one.name)
    return look


def _of_target(recipe: Recipe, target: Target) -> list[Parameter]:
    """The target's parameters; a recipe has its own word for the inbox's channel."""
    return [
        replace(one, default=recipe.channel) if one.name == "channel" and one.default else one
        for one in target.parameters
    ]


def _definition(order: Order, name: str) -> dict[str, Any]:
    return {"name": name, "trigger": order.plan.trigger, "reentry": order.plan.reentry, "steps": [order.step]}


def _free(names: tuple[str, str, str]) -> tuple[str, str, str]:
    """The same names, all with the first number that makes them new. Two people at once may still get the same ones,
    which confuses nobody but them: ids tell things apart."""
    kinds: tuple[type[models.Model], ...] = (Segment, Report, Workflow)
    taken = [set(kind._default_manager.values_list("name", flat=True)) for kind in kinds]
    number = 1
    while True:
        tried = tuple(f"{name} {number}" if name and number > 1 else name for name in names)
        if not any(name and name in known for name, known in zip(tried, taken, strict=True)):
            return tried[0], tried[1], tried[2]
        number += 1


def _seen(order: Order) -> tuple[int, str | None, dict[str, Any]]:
    """How many are on the report now, the id of one of them and what a template sees of that one; else the sample."""
    plan, look = order.plan, order.look
    member: str | None
    if look:
        on_report, member = look.count, look.member
        context = remote.context("visitor", member, look.row) if member else dict(plan.sample)
    else:
        report = Report(**plan.report, segment=Segment(rules=plan.segment["rules"]) if plan.segment else None)
        items = rows.page(report, limit=1).items
        on_report, member = rows.count(report), str(items[0][f"{report.kind}.id"]) if items else None
        context = rows.context(report, [member])[member] if member else dict(plan.sample)
    return on_report, member, {**context, "arrival": {"at": clock.iso(clock.now()), "entry": 1, "existing": False}}
