"""What stands in for activities and for the web."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from emulators.datafactory.engine.activities.base import ActivityFailed, Call, Done, Executor
from emulators.datafactory.engine.activities.outgoing import Answer, Ask
from emulators.datafactory.engine.definitions import Activity
from emulators.datafactory.engine.expressions import UNSET, evaluate
from emulators.datafactory.testing.results import Request
from emulators.kernel.context import Context

WEB = frozenset({"webactivity", "azurefunctionactivity"})
"""Types that run for real once the web they call is stubbed with `http`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is no success: the activity's attempt fails so."""

    message: str = "stubbed failure"
    code: str = "StubbedFailure"
    output: Mapping[str, Any] = field(default_factory=dict)  # what expressions still see


@dataclass(frozen=True, slots=True)
class Asked:
    """What an activity was run with, for a stub that computes its answer."""

    name: str
    type: str
    input: Mapping[str, Any]  # typeProperties, every expression in them evaluated
    parameters: Mapping[str, Any]  # of the pipeline
    variables: Mapping[str, Any]
    item: Any  # of the ForEach around it; None outside of one
    number: int  # how many times the stub was asked before


Reply = Mapping[str, Any] | Failure | Callable[[Asked], Any]


@dataclass(slots=True)
class Stub:
    """Answers of one stub, in their order; the last is repeated."""

    replies: Sequence[Reply]
    seconds: float
    asked: int = 0

    async def __call__(self, call: Call) -> Done:
        given = evaluate(dict(call.activity.properties), call.scope)
        number, self.asked = self.asked, self.asked + 1
        reply: Any = self.replies[min(number, len(self.replies) - 1)]
        if self.seconds:
            await call.ctx.clock.sleep(self.seconds)
        if callable(reply):
            scope = call.scope
            item = None if scope.item is UNSET else scope.item
            reply = reply(
                Asked(
                    call.activity.name,
                    call.activity.type,
                    given,
                    scope.parameters,
                    dict(scope.variables),
                    item,
                    number,
                )
            )
            if inspect.isawaitable(reply):
                reply = await reply
        if isinstance(reply, Failure):
            raise ActivityFailed(reply.code, reply.message, output=reply.output)
        return Done(dict(reply or {}), given)


@dataclass(frozen=True, slots=True)
class Reaction:
    """One answer of the web."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0  # until it comes


@dataclass(slots=True)
class Route:
    """The answers to one method and one URL, in their order; the last is repeated."""

    method: str
    url: str  # may hold * and ?
    reactions: list[Reaction]
    asked: int = 0

    def is_for(self, ask: Ask) -> bool:
        same = self.url == ask.url or fnmatchcase(ask.url, self.url)
        return same and self.method in ("*", ask.method)


@dataclass(slots=True)
class Web:
    """Everything outside the factory: what it answers, and what it was asked."""

    routes: list[Route] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    complain: Callable[[str], None] = lambda _: None

    def add(self, method: str, url: str, reaction: Reaction) -> None:
        """One more answer; those to the same method and URL form a sequence."""
        for route in self.routes:
            if (route.method, route.url) == (method, url):
                route.reactions.append(reaction)
                return
        self.routes.append(Route(method, url, [reaction]))

    async def __call__(self, ctx: Context, ask: Ask) -> Answer:
        self.requests.append(Request(ask.method, ask.url, dict(ask.headers), ask.body))
        route = next((each for each in self.routes if each.is_for(ask)), None)
        if route is None:
            known = ", ".join(f"{each.method} {each.url}" for each in self.routes) or "none"
            self.complain(
                f"nothing answers {ask.method} {ask.url}: add"
                f' `factory.http("{ask.method}", "{ask.url}", json=...)`. Known: {known}'
            )
            return Answer(599, (), b"not stubbed")
        reaction = route.reactions[min(route.asked, len(route.reactions) - 1)]
        route.asked += 1
        if reaction.seconds:
            await ctx.clock.sleep(reaction.seconds)
        return Answer(reaction.status, tuple(reaction.headers.items()), reaction.body)


def reaction(status: int, body: Any, headers: Mapping[str, str], seconds: float) -> Reaction:
    """An answer of the web from what a test wrote: bytes and text as they are, else JSON."""
    held = dict(headers)
    if isinstance(body, bytes | str):
        content = body.encode() if isinstance(body, str) else body
    elif body is None:
        content = b""
    else:
        content = json.dumps(body).encode()
        if not any(name.lower() == "content-type" for name in held):
            held["Content-Type"] = "application/json"
    return Reaction(status, content, held, seconds)


def refusing(activity: Activity, pipeline: str, complain: Callable[[str], None]) -> Executor:
    """What runs an activity that nothing stands in for: it fails, and the test is told why."""

    def said() -> str:
        words = (
            f"the activity '{activity.name}' ({activity.type}) of '{pipeline}' would leave the"
            f' factory: stub it with `factory.stub("{activity.name}", output={{...}})`'
        )
        if activity.kind in WEB:
            words += ", or the web it calls with `factory.http(method, url, json=...)`"
        return words

    async def run(call: Call) -> Done:
        complain(said())
        raise ActivityFailed("NotStubbed", said())

    return run
