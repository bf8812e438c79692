"""The engine in the same process as its client: for tests, and for tools that need no worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from core.client import Inbox, Notice
from core.engine.engine import Engine
from core.engine.requests import Caller
from core.rpc import Greeting, Hello, Request

R = TypeVar("R")


class InProcessClient:
    """An `EngineClient` that calls the engine directly."""

    greeting: Greeting

    def __init__(self, engine: Engine, caller: Caller) -> None:
        self._engine = engine
        self._caller = caller

    @classmethod
    async def connect(cls, engine: Engine, operator: str) -> InProcessClient:
        """A client in the name of this operator."""
        client = cls(engine, Caller(operator))
        client.greeting = await client.call(Hello())
        return client

    async def call(self, request: Request[R]) -> R:
        """See `core.client.EngineClient`."""
        result: R = await self._engine.answer(request, self._caller)
        return result

    def notices(self) -> AsyncIterator[Notice]:
        """See `core.client.EngineClient`."""
        inbox = Inbox()
        self._engine.ended.add_done_callback(lambda _: inbox.end())
        return self._read(inbox, self._engine.subscribe(inbox.put))

    async def _read(self, inbox: Inbox, unsubscribe: Callable[[], None]) -> AsyncIterator[Notice]:
        try:
            async for notice in inbox.read():
                yield notice
        finally:
            unsubscribe()

    async def close(self) -> None:
        """See `core.client.EngineClient`."""
