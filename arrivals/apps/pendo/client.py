"""Pendo's API as a client sees it: the key's test, the list of reports, the rows of one.

Source: Pendo's API reference (engageapi.pendo.io). Every answer is read as a stream; a redirect is never followed, since
the key would go with it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

import orjson

from arrivals import clock
from arrivals.apps.outbound import Outbound, Stream, wait
from arrivals.apps.pendo import listed
from arrivals.apps.pendo.array import NotAnArray, Objects
from arrivals.audience.origins import Listed
from arrivals.errors import AppError, AuthorisationExpired, CheckTimeout, Permanent, Retryable, Throttled

SECONDS = 30.0  # for a whole fetch
MOST = 2 * 1024**3  # bytes of one answer, unpacked
MOST_LISTED = 20_000
BLOCK = 10_000  # rows that stand in memory at once
BLOCK_BYTES = 16 * 1024**2
HEADER = "x-pendo-integration-key"
INVALID = "Invalid integration key: it must match the one made in Pendo exactly"
HOSTS = {
    "US": "https://app.pendo.io",
    "US1": "https://us1.app.pendo.io",
    "EU": "https://app.eu.pendo.io",
    "Japan": "https://app.jpn.pendo.io",
    "Australia": "https://app.au.pendo.io",
}
ENDINGS = {"us": ("US", "US1"), "us1": ("US1",), "eu": ("EU",), "jpn": ("Japan",), "jp": ("Japan",), "au": ("Australia",)}  # fmt: skip


def base(url: str) -> str:
    """The address that paths follow: https:// where no scheme was given, without /api/v1 at its end."""
    text = url.strip().rstrip("/")
    text = text if "://" in text else f"https://{text}"
    return text.removesuffix("/api/v1").rstrip("/")


def refused(auth: Mapping[str, str]) -> AuthorisationExpired:
    """The key is not accepted. Where its ending belongs to another region's host, that is said as well."""
    regions = ENDINGS.get(auth["key"].rpartition(".")[2].lower(), ()) if "." in auth["key"] else ()
    address = base(auth["url"])
    if regions and address in HOSTS.values() and address not in [HOSTS[one] for one in regions]:
        return AuthorisationExpired(f"{INVALID}. It ends in .{auth['key'].rpartition('.')[2]}: its host is {HOSTS[regions[0]]}.")  # fmt: skip
    return AuthorisationExpired(INVALID)


class Client:
    """``auth``: url and key. ``http`` limits the time of each call."""

    def __init__(self, auth: Mapping[str, str], http: Outbound) -> None:
        self._auth, self._http = auth, http
        self._base = base(auth["url"])
        self.host = urlsplit(self._base).hostname or self._base

    async def verify(self) -> bool:
        """Whether the key may write. Raises AuthorisationExpired when it is not accepted; AppError."""
        async with self._get("/token/verify") as stream:
            body = await _start(stream, 65_536)
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            data = None
        if not isinstance(data, dict) or "valid" not in data:
            raise Permanent(f"{self.host} is no host of Pendo's API: it answered with something else than whether the key is valid.")  # fmt: skip
        if data["valid"] is not True:
            raise refused(self._auth)
        return data.get("writeAccess") is True

    async def reports(self) -> list[Listed]:
        """The reports that are shared with Everyone, in the order of the name. Raises AppError."""
        found: list[Listed] = []
        async for block in self._objects("/report", "the list of reports"):
            found += [one for text in block if (one := listed.read(orjson.loads(text)))]
            if len(found) > MOST_LISTED:
                raise Permanent(f"{self.host} lists more than {MOST_LISTED:,} reports.")
        return sorted(found, key=lambda one: (one.name.casefold(), one.id))

    async def rows(self, report_id: str) -> AsyncIterator[list[bytes]]:
        """The rows of a report in blocks, each a JSON object as text. Raises AppError, CheckTimeout."""
        path = f"/report/{quote(report_id, safe='')}/results.json"
        gone = f"{self.host} no longer has the report, or it is no longer shared with Everyone in Pendo."
        async for block in self._objects(path, "the report's rows", gone):
            yield block

    async def _objects(self, path: str, what: str, gone: str = "") -> AsyncIterator[list[bytes]]:
        objects, block, size, read = Objects(), list[bytes](), 0, 0
        try:
            async with self._get(path, gone) as stream:
                async for piece in stream.pieces():
                    read += len(piece)
                    if read > MOST:
                        raise Permanent(f"{self.host} sent more than {MOST:,} bytes; take columns out of the report in Pendo.")  # fmt: skip
                    whole = objects.feed(piece)
                    block += whole
                    size += sum(map(len, whole))
                    if len(block) >= BLOCK or size > BLOCK_BYTES:
                        yield block
                        block, size = [], 0
                objects.close()
        except NotAnArray as error:
            raise Retryable(f"{self.host} sent {error} in place of {what}.") from error
        except TimeoutError as error:
            raise CheckTimeout(
                f"{self.host} did not send all of {what} within {SECONDS:.0f} s (read timed out); "
                "make the report's date range shorter in Pendo."
            ) from error
        if block:
            yield block

    @asynccontextmanager
    async def _get(self, path: str, gone: str = "") -> AsyncIterator[Stream]:
        headers = {HEADER: self._auth["key"], "Accept": "application/json"}
        async with self._http.stream(f"{self._base}/api/v1{path}", headers=headers) as stream:
            if stream.status != 200:
                raise await self._problem(stream, gone)
            yield stream

    async def _problem(self, stream: Stream, gone: str) -> AppError:
        status, host = stream.status, self.host
        if status in {401, 403}:
            return refused(self._auth)
        if status == 429 or (status == 503 and "retry-after" in stream.headers):
            seconds = wait(stream.headers.get("retry-after", ""), clock.now())
            return Throttled(f"{host} asked to wait {seconds:.0f} s.", retry_after=seconds)
        if 300 <= status < 400:
            return Permanent(f"{host} answered with a redirect to {_target(stream)}, which is not followed: put in the address of Pendo's API itself, such as {HOSTS['US']}.")  # fmt: skip
        if status == 404 and gone:
            return Permanent(gone)
        said = "" if "html" in stream.headers.get("content-type", "") else await _said(stream)
        sentence = f"{host} answered {status}{': ' + said if said else ''}"
        if status >= 500 or status in {408, 425}:
            return Retryable(f"{sentence}; it is asked again at the next check.")
        return Permanent(f"{sentence}. The address may be wrong, or of another region than the key.")


def _target(stream: Stream) -> str:
    try:
        return urlsplit(stream.headers.get("location", "")).hostname or "another path"
    except ValueError:
        return "an address that is not valid"


async def _said(stream: Stream) -> str:
    return (await _start(stream, 200)).decode("utf-8", "replace").strip()


async def _start(stream: Stream, most: int) -> bytes:
    """The first ``most`` bytes of the body."""
    parts, size = [], 0
    async for piece in stream.pieces():
        parts.append(piece)
        size += len(piece)
        if size >= most:
            break
    return b"".join(parts)[:most]
