"""The recipes and what each asks. Data only; ``recipes`` previews and makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.workflows import recipe_plans
from arrivals.workflows.recipe_parameters import Parameter
from arrivals.workflows.recipe_plans import Plan


@dataclass(frozen=True)
class Recipe:
    """``sentence`` says when a message comes; ``note`` what else to know before choosing it. ``channel``: of the inbox,
    where none is given."""

    id: str
    title: str
    sentence: str
    note: str
    parameters: tuple[Parameter, ...]
    plan: Callable[[Mapping[str, Any]], Plan]
    channel: str = "#arrivals"
    makes: tuple[str, ...] = ("segment", "report", "workflow")


SURVEY = Parameter("survey", "Survey", "The name of the survey, as its answers carry it.", "survey", "nps")
RECIPES = {
    one.id: one
    for one in (
        Recipe(
            "nps_responses",
            "NPS responses to Slack",
            "Somebody answers the NPS survey: who, of which account, the score with promoter, passive or detractor, the reason.",
            "Once for each visitor who is new on the report; a second answer within the same days is no second message, as it is with each response to a survey.",
            (SURVEY, Parameter("days", "Days", "Answered within so many days.", "number", 1, high=30)),
            recipe_plans.nps_responses,
            "#nps",
        ),
        Recipe(
            "nps_pendo",
            "NPS responses of a real Pendo",
            "A visitor is new on the NPS report of your Pendo subscription: the message is made of its row.",
            "In Pendo: a visitor report on the segment of those who answered the NPS poll within the last day, with columns "
            "for score and reason, shared with Everyone.",
            (
                Parameter("pendo", "Pendo", "The connection to the subscription.", "pendo"),
                Parameter("report", "Report", "A visitor report, of those shared with Everyone.", "report"),
                Parameter("score", "Column of the score", "From 0 to 10.", "column"),
                Parameter("reason", "Column of the reason", "Where there is one.", "column", ""),
            ),
            recipe_plans.nps_pendo,
            "#nps",
            ("report", "workflow"),
        ),
        Recipe(
            "each_response",
            "Each response to a survey",
            "Every answer to a survey is a message of its own, also the second one of the same visitor.",
            "A second answer by one visitor is not a new visitor on a report, so this starts from the response itself.",
            (SURVEY,),
            recipe_plans.each_response,
            "#nps",
            ("report", "workflow"),
        ),
        Recipe(
            "trial_ending",
            "Trial about to end, and inactive",
            "A visitor's trial ends within a few days, and they have not been here for a while.",
            "The date must be in the visitor's metadata as text, such as 2026-01-31. At most once in 30 days for a visitor.",
            (
                Parameter("field", "Field with the end", "Of the visitor's metadata.", "field", "agent.trial_ends"),
                Parameter("days", "Ends within days", "Today is day 0.", "number", 3, low=0, high=90),
                Parameter("inactive_days", "Inactive for days", "Without any event.", "number", 7, high=365),
                Parameter("plan_field", "Field of the plan", "Where only one plan counts.", "field", "agent.plan"),
                Parameter("plan", "Plan", "Only visitors on this plan; empty: all.", default=""),
            ),
            recipe_plans.trial_ending,
        ),
        Recipe(
            "power_user",
            "Power user reached a number of uses",
            "A visitor has done something so many times within a span.",
            "Once for a visitor, ever.",
            (
                Parameter("event", "Event", "A track event, a page or a click, by its name.", "event"),
                Parameter("times", "Times", "At least so many.", "number", 10, high=1_000_000),
                Parameter("days", "Days", "Within so many days.", "number", 30),
            ),
            recipe_plans.power_user,
        ),
        Recipe(
            "account_quiet",
            "Account gone quiet",
            "Nobody of an account has been here for a while, and somebody was before.",
            "Each time that an account leaves the report of the active ones. Accounts that are quiet already start nothing.",
            (Parameter("days", "Days", "Without any visitor.", "number", 14),),
            recipe_plans.account_quiet,
            makes=("report", "workflow"),
        ),
        Recipe(
            "new_visitor",
            "New visitor from a named account",
            "Somebody new comes from one of the accounts that you name.",
            "Once for a visitor. New means that the first visit is within the days.",
            (
                Parameter("accounts", "Accounts", "Their ids, one a line.", "ids"),
                Parameter("days", "Days", "First seen within so many days.", "number", 30),
            ),
            recipe_plans.new_visitor,
        ),
    )
}
