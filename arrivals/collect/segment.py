"""Segment's tracking API: /v1/{track,identify,group,page,screen,alias,batch,import} as an ASGI application."""

from typing import Any

from arrivals.collect.writer import Writer


class Collector:
    """ASGI application. Knows the sources by write key and hands understood events to the writer."""

    def __init__(self, writer: Writer) -> None:
        raise NotImplementedError

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError
