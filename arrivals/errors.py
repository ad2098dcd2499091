"""Every error that a person or a client may meet.

ArrivalsError                 code, a sentence, status, permanent
├── Invalid                   422  the input is wrong; ``path`` names the part
│   ├── InvalidJson           400  the body is not JSON
│   ├── InvalidEvent               an event that cannot be kept
│   ├── InvalidRules               a segment's rules
│   ├── InvalidTag                 the rules of a page or a feature
│   ├── InvalidReport              a report's range or columns
│   ├── InvalidChart               a chart or dashboard
│   ├── InvalidSurvey              a survey's definition
│   ├── InvalidPipeline            the body of an aggregation
│   ├── InvalidDefinition          a workflow's definition
│   ├── InvalidConnection          the fields of a connection
│   └── InvalidSetting             a setting (stops the start)
├── NotSignedIn               401  no or a wrong session, key or write key
├── NotAllowed                403  known, but may not do this
├── NotFound                  404
├── MethodNotAllowed          405
├── Conflict                  409  in a state that does not allow it
│   ├── Outdated              412  somebody else changed it since the one that a change began from
│   ├── Untested                   steps that nobody has tried, where that was asked for
│   └── ReportReplaced             most of a remote report was replaced at once; a person decides
├── TooLarge                  413
├── TooMany                   429  ``retry_after`` seconds
├── Unavailable               503  overloaded or stopping; ``retry_after`` seconds
├── CheckTimeout              504  the warehouse did not answer a check in time
└── AppError                  502  an action failed at the other product
    ├── Retryable                  worth trying again by the schedule
    │   └── Throttled              told to wait; ``retry_after`` seconds
    │       └── Busy               by our own limits of its connection
    ├── Permanent                  trying again cannot help
    ├── Halted                     the action asks to stop the run without an error
    └── AuthorisationExpired       the connection's credentials are no longer accepted
"""

from http import HTTPStatus
from typing import Any


class ArrivalsError(Exception):
    """Something went wrong inside Arrivals."""

    code = "internal_error"
    status = 500
    permanent = True

    def __init__(self, message: str = "", *, path: str = "", retry_after: float | None = None) -> None:
        self.message = message or (self.__doc__ or "").split("\n")[0]
        self.path = path
        self.retry_after = retry_after
        super().__init__(f"{path}: {self.message}" if path else self.message)

    def as_dict(self) -> dict[str, Any]:
        """The error as data: ``code`` and ``message``, with ``path`` and ``retry_after`` where they are known."""
        answer: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.path:
            answer["path"] = self.path
        if self.retry_after is not None:
            answer["retry_after"] = self.retry_after
        return answer

    def as_problem(self) -> dict[str, Any]:
        """The error as a problem of HTTP: RFC 9457, with our ``code``, and ``path`` and ``retry_after`` where known."""
        problem = self.as_dict()
        detail = problem.pop("message")
        title = HTTPStatus(self.status).phrase
        return {"type": "about:blank", "title": title, "status": self.status, "detail": detail, **problem}


class Invalid(ArrivalsError):
    """The request has a part that is not allowed."""

    code = "invalid"
    status = 422


class InvalidJson(Invalid):
    """The body is not valid JSON."""

    code = "invalid_json"
    status = 400


class InvalidEvent(Invalid):
    """The event cannot be kept."""

    code = "invalid_event"


class InvalidRules(Invalid):
    """The rules of the segment are not allowed."""

    code = "invalid_rules"


class InvalidTag(Invalid):
    """The page or feature is not allowed."""

    code = "invalid_tag"


class InvalidReport(Invalid):
    """The report is not allowed."""

    code = "invalid_report"


class InvalidChart(Invalid):
    """The chart is not allowed."""

    code = "invalid_chart"


class InvalidSurvey(Invalid):
    """The survey is not allowed."""

    code = "invalid_survey"


class InvalidPipeline(Invalid):
    """The aggregation is not allowed."""

    code = "invalid_pipeline"


class InvalidDefinition(Invalid):
    """The workflow's definition is not allowed."""

    code = "invalid_definition"


class InvalidConnection(Invalid):
    """The connection's fields are not allowed."""

    code = "invalid_connection"


class InvalidSetting(Invalid):
    """A setting has a value that is not allowed."""

    code = "invalid_setting"


class NotSignedIn(ArrivalsError):
    """Sign in, or send a valid key."""

    code = "not_signed_in"
    status = 401


class NotAllowed(ArrivalsError):
    """This is not allowed with your role or key."""

    code = "not_allowed"
    status = 403


class NotFound(ArrivalsError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class MethodNotAllowed(ArrivalsError):
    """This address does not take this method."""

    code = "method_not_allowed"
    status = 405


class Conflict(ArrivalsError):
    """It is in a state that does not allow this."""

    code = "conflict"
    status = 409


class Outdated(Conflict):
    """Somebody else changed it meanwhile; look at what it is now."""

    code = "outdated"
    status = 412


class Untested(Conflict):
    """It has steps that nobody has tried."""

    code = "untested"


class ReportReplaced(Conflict):
    """Most of the report was replaced at once."""

    code = "report_replaced"


class TooLarge(ArrivalsError):
    """The body is larger than allowed."""

    code = "too_large"
    status = 413


class TooMany(ArrivalsError):
    """Too many requests; wait and try again."""

    code = "too_many"
    status = 429
    permanent = False


class Unavailable(ArrivalsError):
    """Not able to take this now; wait and try again."""

    code = "unavailable"
    status = 503
    permanent = False


class CheckTimeout(ArrivalsError):
    """The report took too long; make its date range shorter."""

    code = "check_timeout"
    status = 504
    permanent = False


class AppError(ArrivalsError):
    """The action failed at the other product."""

    code = "app_error"
    status = 502


class Retryable(AppError):
    """The other product could not answer; it will be tried again."""

    code = "retryable"
    permanent = False


class Throttled(Retryable):
    """The other product asked to wait."""

    code = "throttled"


class Busy(Throttled):
    """Its connection takes no more calls now; it goes on by itself when there is room."""

    code = "busy"


class Permanent(AppError):
    """The other product refused; trying again cannot help."""

    code = "permanent"


class Halted(AppError):
    """The action asked to stop the run."""

    code = "halted"


class AuthorisationExpired(AppError):
    """The connection's credentials are no longer accepted; reconnect it."""

    code = "authorisation_expired"
