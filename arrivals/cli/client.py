"""How the commands speak to a running server: over /api/v2, with an integration key."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import click
import httpx

from arrivals import config, errors
from arrivals.errors import ArrivalsError, NotSignedIn, Unavailable

SECONDS = 120.0


class Client:
    """One server and one key. ``url`` and ``key``: default from ARRIVALS_URL (or the public URL) and ARRIVALS_KEY.

    Raises:
        NotSignedIn: there is no key.
    """

    def __init__(self, url: str | None = None, key: str | None = None) -> None:
        settings = config.read(os.environ)
        self.url = (url or settings.url).rstrip("/")
        secret = key or settings.key
        if not secret:
            raise NotSignedIn("Give an integration key with --key, or set ARRIVALS_KEY.")
        if not secret.isascii() or not secret.isprintable():
            raise NotSignedIn("The integration key holds characters that no key has.")
        self._http = httpx.Client(headers={"Authorization": f"Bearer {secret}"}, timeout=SECONDS)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON answer of a GET. Raises ArrivalsError, with the code and the sentence of the server."""
        return self._call("GET", path, params=params).json()

    def text(self, path: str) -> str:
        """The answer of a GET as text. Raises as ``get``."""
        return self._call("GET", path).text

    def post(self, path: str, body: Any = None) -> Any:
        """The JSON answer of a POST. Raises as ``get``."""
        return self._call("POST", path, body=body).json()

    def put(self, path: str, body: Any) -> Any:
        """The JSON answer of a PUT. Raises as ``get``."""
        return self._call("PUT", path, body=body).json()

    def send(self, method: str, path: str, file: BinaryIO, **params: Any) -> Any:
        """The JSON answer to a file that is sent as it is, in pieces. Raises as ``get``."""
        try:
            answer = self._http.request(
                method, self._address(path), params=params, content=file, headers={"Content-Type": "text/plain"}
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._away(error) from error
        return _settled(answer).json()

    def items(self, path: str, *, most: int | None = None, **params: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, or the first ``most``, page by page. Raises as ``get``."""
        cursor: str | None = ""
        while cursor is not None and (most is None or most > 0):
            page = self.get(path, **params, cursor=cursor, limit=min(1000, most or 1000))
            yield from page["items"]
            most = None if most is None else most - len(page["items"])
            cursor = page["next"]

    def pieces(self, path: str) -> Iterator[bytes]:
        """The body of a GET as it comes. Raises as ``get``."""
        try:
            with self._http.stream("GET", self._address(path)) as answer:
                if answer.is_error:
                    answer.read()
                yield from _settled(answer).iter_bytes()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._away(error) from error

    def _call(self, method: str, path: str, *, params: Any = None, body: Any = None) -> httpx.Response:
        try:
            answer = self._http.request(method, self._address(path), params=params, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._away(error) from error
        return _settled(answer)

    def _address(self, path: str) -> str:
        return f"{self.url}/api/v2{path}"

    def _away(self, error: Exception) -> Unavailable:
        reason = str(error) or type(error).__name__
        return Unavailable(f"No Arrivals answers at {self.url} ({reason}); is `arrivals serve` running there?")


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --url, --key and --json (as ``as_json``)."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON only."),
        click.option("--key", help="The integration key; default ARRIVALS_KEY."),
        click.option("--url", help="The server; default ARRIVALS_URL."),
    ):
        command = option(command)
    return command


def show(data: Any) -> None:
    """Print data as JSON."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def table(rows: list[list[Any]], heads: list[str]) -> None:
    """Print rows in columns as wide as they need."""
    texts = [heads, *[["" if cell is None else str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in texts) for column in range(len(heads))]
    for row in texts:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _settled(answer: httpx.Response) -> httpx.Response:
    if not answer.is_error:
        if answer.is_redirect:
            raise ArrivalsError(f"{answer.url} is not the address of Arrivals: it leads elsewhere.")
        return answer
    try:
        problem = answer.json()
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        code, detail = "", f"{answer.url} answered {answer.status_code} {answer.reason_phrase}; is it Arrivals?"
        problem = {}
    kind = _KINDS.get(code, ArrivalsError)
    raise kind(detail, path=str(problem.get("path", "")), retry_after=problem.get("retry_after"))


def _tree(kind: type[ArrivalsError]) -> Iterator[type[ArrivalsError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


_KINDS = {kind.code: kind for kind in _tree(errors.ArrivalsError)}
