"""What the page on apps shows is code that runs, and a signature made by others is the one we send."""

import hashlib
import hmac
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator

from arrivals.apps.contract import App, Call
from arrivals.apps.outbound import Outbound
from arrivals.apps.webhook.app import signature
from arrivals.errors import AuthorisationExpired, Permanent, Throttled

PAGE = (Path(__file__).parents[1] / "docs" / "apps.md").read_text(encoding="utf-8")
CHECK, EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_signature_is_checked_as_the_page_says() -> None:
    class Request:
        body = b'{"a": 1}'
        headers = {"X-Arrivals-Signature": signature("sesame", body)}

    exec(CHECK, {"hmac": hmac, "hashlib": hashlib, "secret": "sesame", "request": Request})
    with pytest.raises(AssertionError):
        exec(CHECK, {"hmac": hmac, "hashlib": hashlib, "secret": "wrong", "request": Request})


async def test_the_example_of_an_app_is_one_that_works() -> None:
    seen: list[dict[str, Any]] = []

    async def notes(request: web.Request) -> web.Response:
        seen.append({"headers": dict(request.headers), "body": await request.json()})
        status = {"Bearer good": 200, "Bearer old": 401, "Bearer fast": 429}.get(request.headers["Authorization"], 400)
        return web.json_response({"id": "n1"}, status=status, headers={"Retry-After": "9"})

    crm = web.Application()
    crm.router.add_post("/notes", notes)
    runner = web.AppRunner(crm)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    assert "https://crm.example" in EXAMPLE
    made: dict[str, Any] = {}
    exec(EXAMPLE.replace("https://crm.example", url), made)
    app = made["APP"]
    assert isinstance(app, App)
    [action] = app.actions
    Draft202012Validator.check_schema(action.schema)
    http = Outbound()

    async def add(token: str) -> dict[str, Any]:
        return await action.run(Call({"text": "hi"}, {"token": token}, "run_1:note", {}, http))

    try:
        assert await add("good") == {"id": "n1"}
        assert seen[0]["body"] == {"note": "hi"}
        assert seen[0]["headers"]["Idempotency-Key"] == "run_1:note"
        with pytest.raises(AuthorisationExpired):
            await add("old")
        with pytest.raises(Throttled) as wait:
            await add("fast")
        assert wait.value.retry_after == 9
        with pytest.raises(Permanent):
            await add("none")
    finally:
        await http.close()
        await runner.cleanup()
