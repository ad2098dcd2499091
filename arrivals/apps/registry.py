"""The apps there are."""

from jsonschema import Draft202012Validator

from arrivals.apps.contract import App
from arrivals.apps.email.app import APP as EMAIL
from arrivals.apps.hook.app import APP as HOOK
from arrivals.apps.inbox.app import APP as INBOX
from arrivals.apps.pendo.app import APP as PENDO
from arrivals.apps.slack.app import APP as SLACK
from arrivals.apps.webhook.app import APP as WEBHOOK

APPS: dict[str, App] = {app.id: app for app in (INBOX, SLACK, EMAIL, WEBHOOK, HOOK, PENDO)}
SCHEMAS = {(app.id, action.id): action.schema for app in APPS.values() for action in app.actions}
VALIDATORS = {
    (app.id, action.id): Draft202012Validator(action.schema) for app in APPS.values() for action in app.actions
}
