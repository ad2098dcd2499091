"""A call to any address: any method, headers, JSON or form, signed where there is a secret."""

import base64
import hashlib
import hmac
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from arrivals.apps.contract import Action, App, AuthField, Call, schema
from arrivals.apps.outbound import Answer, raise_for
from arrivals.errors import Permanent

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE", "HEAD")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
OURS = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "idempotency-key",
    "te",
    "trailer",
    "keep-alive",
}
SIGNATURE = "X-Arrivals-Signature"
MOST_KEPT = 48 * 1024  # bytes of a body that is kept as it is
MOST_TEXT = 16_000  # characters of a longer one
URL = {"type": "string", "title": "Address", "description": "Begins with https:// or http://."}
HEADERS = {"type": "object", "title": "Headers", "description": "Names and values.", "x-widget": "json"}
QUERY = {"type": "object", "title": "Query", "description": "Parameters added to the address.", "x-widget": "json"}
FORMAT = {
    "type": "string",
    "title": "Format",
    "enum": ["json", "form", "text"],
    "default": "json",
    "description": "How the body is written; JSON where none is chosen.",
}
BODY = {"title": "Body", "description": "Any JSON or text; none where it is left out.", "x-widget": "json"}
METHOD = {
    "type": "string",
    "title": "Method",
    "enum": ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"],
    "default": "GET",
    "description": "GET where none is chosen.",
}
REQUEST: dict[str, dict[str, Any]] = {
    "url": URL,
    "method": METHOD,
    "headers": HEADERS,
    "query": QUERY,
    "format": FORMAT,
    "body": BODY,
}


async def send(call: Call) -> dict[str, Any]:
    """Make the call. Outputs: status, body (parsed where it is JSON, else text), truncated."""
    about = {name: call.context.get(name) for name in ("visitor", "account", "row", "arrival")}
    answer, url = await _called(call, call.inputs.get("method", "POST"), call.inputs.get("body", about))
    raise_for(answer, url)
    return {"status": answer.status, "body": _parsed(answer), "truncated": answer.truncated}


async def request(call: Call) -> dict[str, Any]:
    """Make the call and tell all of the answer. Outputs: status, headers, body, truncated.

    A status of ``ok`` is a success whatever it means else; 425 is tried again like 408.
    """
    answer, url = await _called(call, call.inputs.get("method", "GET"), call.inputs.get("body"))
    if answer.status not in call.inputs.get("ok", ()):
        raise_for(answer, url)
    return _told(answer)


async def find(call: Call) -> dict[str, Any]:
    """Ask for something. Outputs: found, and those of ``request``. 404, 410, 204, and an answer of null, {} or [] at ``at``
    mean that there is nothing."""
    answer, url = await _called(call, call.inputs.get("method", "GET"), call.inputs.get("body"))
    if answer.status in {204, 404, 410}:
        return {"found": False, "status": answer.status}
    raise_for(answer, url)
    told, there = _told(answer), _parsed(answer)
    for name in filter(None, call.inputs.get("at", "").split(".")):
        there = there.get(name) if isinstance(there, dict) else None
    return {"found": there not in (None, "", {}, []), **told}


async def _called(call: Call, method: str, data: Any) -> tuple[Answer, str]:
    """The answer to the call that the inputs say, with ``data`` as its body, and the address."""
    inputs = call.inputs
    url = _with_query(inputs["url"], inputs.get("query") or {})
    headers = _headers(inputs.get("headers", {}))
    body = b"" if method in {"GET", "HEAD"} or data is None else _body(inputs.get("format", "json"), data, headers)
    _sign(call, body, headers)
    return await call.http.request(method, url, headers=headers, body=body or None, key=call.key), url


def _told(answer: Answer) -> dict[str, Any]:
    """All of an answer that is kept: cookies are not, and of a long body the beginning as a text."""
    headers = {name: text for name, text in answer.headers.items() if name not in {"set-cookie", "set-cookie2"}}
    told = {"status": answer.status, "headers": headers, "truncated": answer.truncated or len(answer.body) > MOST_KEPT}
    return {**told, "body": answer.text[:MOST_TEXT] if told["truncated"] else _parsed(answer)}


def signature(secret: str, body: bytes) -> str:
    """``sha256=`` and the HMAC-SHA256 (RFC 2104) of the exact body, in hex."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _with_query(url: str, query: dict[str, Any]) -> str:
    """The address with these parameters after its own; a wrong address is left to the client to refuse."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    added = urlencode({name: _text(value) for name, value in query.items()})
    return parts._replace(query="&".join(one for one in (parts.query, added) if one)).geturl() if added else url


def _headers(given: dict[str, Any]) -> dict[str, str]:
    headers = {}
    for name, value in given.items():
        text = _text(value)
        if not HEADER.fullmatch(name) or name.lower() in OURS:
            raise Permanent("This header cannot be set.", path=f"inputs.headers.{name:.60}")
        if any((ord(mark) < 32 and mark != "\t") or ord(mark) == 127 for mark in text):
            raise Permanent("A header's value must be one line.", path=f"inputs.headers.{name}")
        headers[name] = text
    return headers


def _body(format_: str, data: Any, headers: dict[str, str]) -> bytes:
    """The body in the asked format, with its content type unless one was given."""
    kinds = {
        "json": "application/json",
        "form": "application/x-www-form-urlencoded",
        "text": "text/plain; charset=utf-8",
    }
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kinds[format_]
    if format_ == "text":
        return _text(data).encode()
    if format_ == "form":
        if not isinstance(data, dict):
            raise Permanent("A form's body must be an object.", path="inputs.body")
        return urlencode({name: _text(value) for name, value in data.items()}).encode()
    if isinstance(data, str):  # a text that is JSON already is sent as it is
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError:
            return orjson.dumps(data)
        return data.encode()
    return orjson.dumps(data, default=str)


def _sign(call: Call, body: bytes, headers: dict[str, str]) -> None:
    auth = call.auth
    if auth.get("secret"):
        headers[SIGNATURE] = signature(auth["secret"], body)
    if auth.get("bearer_token"):
        headers["Authorization"] = f"Bearer {auth['bearer_token']}"
    elif auth.get("username"):
        pair = f"{auth['username']}:{auth.get('password', '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"


def _parsed(answer: Answer) -> Any:
    if "json" in answer.headers.get("content-type", "") and not answer.truncated and answer.body:
        try:
            return answer.json()
        except orjson.JSONDecodeError:
            pass
    return answer.text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


APP = App(
    id="webhook",
    name="Webhook",
    help="Calls any address over HTTP, signed when its connection has a secret.",
    connection="optional",
    auth=(
        AuthField(
            "secret",
            "Signing secret",
            f"Signs each body: the header {SIGNATURE} is sha256= and its HMAC-SHA256 in hex.",
            secret=True,
        ),
        AuthField("bearer_token", "Bearer token", "Sent as Authorization: Bearer.", secret=True),
        AuthField("username", "User name", "Sent as Basic authentication, with the password."),
        AuthField("password", "Password", secret=True),
    ),
    actions=(
        Action(
            id="send",
            title="Make a call",
            help="Sends the visitor's data, or a body of your own, to an address.",
            schema=schema(
                ("url",),
                url=URL,
                method={
                    **METHOD,
                    "enum": list(METHODS),
                    "default": "POST",
                    "description": "POST where none is chosen.",
                },
                headers=HEADERS,
                query=QUERY,
                format=FORMAT,
                body={
                    "title": "Body",
                    "description": "Any JSON or text. Left out: visitor, account, row and arrival as JSON.",
                    "x-widget": "json",
                },
            ),
            run=send,
        ),
        Action(
            id="request",
            title="Make a request and use the answer",
            help="Asks an address and gives its status, headers and body to the next steps.",
            schema=schema(
                ("url",),
                **REQUEST,
                ok={
                    "type": "array",
                    "title": "Statuses that count as success",
                    "description": "Beside 200 to 299, such as [404].",
                    "items": {"type": "integer", "minimum": 200, "maximum": 599},
                    "maxItems": 20,
                    "x-widget": "json",
                },
            ),
            run=request,
        ),
        Action(
            id="find",
            title="Look for something",
            help="Asks an address; 404, or an answer that is empty, means that there is nothing.",
            schema=schema(
                ("url",),
                **REQUEST,
                at={
                    "type": "string",
                    "title": "Where what was found is",
                    "description": "The path in the answer of a search, such as data.items.",
                },
            ),
            run=find,
            finds=True,
        ),
    ),
)
