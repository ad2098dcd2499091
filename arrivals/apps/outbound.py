"""The one way out over HTTP: guarded addresses, limits on size and time, no proxy surprises."""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import orjson
from yarl import URL

from arrivals import __version__, clock
from arrivals.apps import addresses
from arrivals.errors import AppError, Permanent, Retryable, Throttled

SECONDS = 25.0  # less than a step has, so that the sentence is ours
CONNECT_SECONDS = 10.0
MOST_SENT = 1024 * 1024
MOST_READ = 256 * 1024
MOST_REDIRECTS = 3
SAFE = ("GET", "HEAD")
DEFAULT_WAIT = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back. ``truncated``: the body was longer than 256 KB."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is not."""
        return orjson.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True)
class Stream:
    """An answer whose body is still to be read."""

    url: str
    status: int
    headers: Mapping[str, str]
    response: aiohttp.ClientResponse

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, unpacked, in pieces of at most 64 KB. Raises as ``Outbound.stream``."""
        with _translated(self.url):
            async for piece in self.response.content.iter_chunked(65_536):
                yield piece


class Outbound:
    """An HTTP client for actions. Made once a process; used on one event loop."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        key: str = "",
    ) -> Answer:
        """Make one call with ``key`` as its Idempotency-Key. Any status is an answer.

        A redirect is followed (at most 3) for GET and HEAD only; another origin gets no Authorization.

        Raises:
            Permanent: a wrong or closed address, too large a body, a redirect that is not followed.
            Retryable: nobody answered, or not in time.
        """
        if body is not None and len(body) > MOST_SENT:
            raise Permanent(f"The body has {len(body):,} bytes; at most {MOST_SENT:,} are sent.")
        sent = {"User-Agent": f"Arrivals/{__version__}", **(headers or {})}
        if key:
            sent["Idempotency-Key"] = key
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._once(method, url, sent, body)
            place = answer.headers.get("location")
            if answer.status not in {301, 302, 303, 307, 308} or not place:
                return answer
            if method not in SAFE:
                raise Permanent(
                    f"{_host(url)} answered with a redirect, which is not followed for {method}; use its final address."
                )
            try:
                target = urljoin(url, place)
            except ValueError:
                raise Permanent(f"{_host(url)} redirects to an address that is not valid.") from None
            if urlsplit(target)[:2] != urlsplit(url)[:2]:
                sent = {name: value for name, value in sent.items() if name.lower() not in {"authorization", "cookie"}}
            url = target
        raise Permanent(f"{_host(url)} redirects more than {MOST_REDIRECTS} times.")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def stream(self, url: str, *, headers: Mapping[str, str]) -> AsyncIterator[Stream]:
        """GET an answer that is read piece by piece, so that it never stands in memory as a whole. A redirect is an
        answer like any other: what is in ``headers`` goes to no other address.

        Raises:
            Permanent, Retryable: as ``request``. TimeoutError: all of it, reading included, took too long.
        """
        sent = {"User-Agent": f"Arrivals/{__version__}", **headers}
        checked = _checked(url)
        with _translated(url):
            try:
                response = await self._client().get(checked, headers=sent, allow_redirects=False)
            except aiohttp.ConnectionTimeoutError as error:
                raise Retryable(f"{_host(url)} cannot be reached within {CONNECT_SECONDS:.0f} s.") from error
        try:
            yield Stream(url, response.status, _lowered(response), response)
        finally:
            response.close()

    async def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        checked = _checked(url)
        try:
            with _translated(url):
                # Of bytes alone the client would have to find out what they are.
                payload = None if body is None else aiohttp.BytesPayload(body)
                async with self._client().request(
                    method, checked, headers=headers, data=payload, allow_redirects=False
                ) as response:
                    read = await _read(response)
                    return Answer(response.status, _lowered(response), read[:MOST_READ], len(read) > MOST_READ)
        except TimeoutError as error:
            raise Retryable(f"{_host(url)} did not answer within {self._seconds:.0f} s.") from error

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=200, socket_factory=addresses.opened, ttl_dns_cache=60)
            timeout = aiohttp.ClientTimeout(total=self._seconds, sock_connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session


def raise_for(answer: Answer, who: str, now: datetime | None = None) -> None:
    """Raise what an HTTP status means: 429 Throttled, 408 and 5xx Retryable, other 4xx and 3xx Permanent.

    ``who`` is a name, or the address that was called, of which the host is told.
    """
    status = answer.status
    if status < 300:
        return
    host = _host(who) if "://" in who else who
    said = answer.text[:200].strip()
    sentence = f"{host} answered {status}{': ' + said if said else ''}"
    if status == 429 or (status == 503 and "retry-after" in answer.headers):
        raise Throttled(sentence, retry_after=wait(answer.headers.get("retry-after", ""), now or clock.now()))
    if status in {408, 425} or status >= 500:
        raise Retryable(sentence)
    raise Permanent(sentence)


def wait(text: str, now: datetime) -> float:
    """Seconds of a Retry-After header: a number or an HTTP date; 60 where it is neither."""
    if text.strip().isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return DEFAULT_WAIT
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
    return max(1.0, (until - now).total_seconds())


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """What goes wrong on the way to ``url``, as one of our errors. A TimeoutError stays one."""
    try:
        yield
    except (AppError, TimeoutError):
        raise
    except aiohttp.ClientConnectorDNSError as error:
        raise Retryable(f"The name {_host(url)} cannot be resolved.") from error
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise Permanent(f"The certificate or TLS of {_host(url)} was refused.") from error
    except (aiohttp.ClientConnectorError, ConnectionError) as error:
        raise Retryable(f"{_host(url)} cannot be reached.") from error
    except (aiohttp.InvalidURL, ValueError) as error:
        raise Permanent(f"The address of {_host(url)} or a header is not valid.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Retryable(f"The connection to {_host(url)} broke off.") from error


def _lowered(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body up to a little over the limit; the rest is left and the connection dropped."""
    told = response.content_length
    if told is not None and told <= MOST_READ and "Content-Encoding" not in response.headers:
        return await response.read()
    parts, size = [], 0
    async for chunk in response.content.iter_chunked(65_536):
        parts.append(chunk)
        size += len(chunk)
        if size > MOST_READ:
            response.close()
            break
    return b"".join(parts)


def _checked(url: str) -> URL:
    parsed, literal = _parsed(url)
    # An address in digits is not resolved, so it makes no socket by itself on some paths: look at it here as well.
    if literal and not _literal_allowed(literal):
        raise Permanent(
            f"{literal} is a private, loopback or otherwise closed address; ARRIVALS_ALLOW_PRIVATE_NETWORKS=true allows it."
        )
    return parsed


@lru_cache(maxsize=1024)
def _parsed(url: str) -> tuple[URL, str]:
    """The address, and its host where that is written in digits."""
    try:
        parts, parsed = urlsplit(url), URL(url)
        port_known = parts.port is None or 0 < parts.port < 65_536
    except ValueError:
        raise Permanent("The address is not valid.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_known:
        raise Permanent(f"The address must begin with http:// or https:// and name a host; got {url!r:.60}.")
    if parts.username is not None or parts.password is not None:
        raise Permanent("The address must not hold a user or password; use a header or a connection.")
    host = parts.hostname
    return parsed, host if host.replace(".", "").isdigit() or ":" in host else ""


def _literal_allowed(host: str) -> bool:
    try:
        return addresses.allowed(host)
    except ValueError:
        return True  # not an address: the resolver and the socket decide


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "The address"
    except ValueError:
        return "The address"
