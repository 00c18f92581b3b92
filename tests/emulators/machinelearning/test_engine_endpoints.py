"""Rules of endpoints without processes: names, shares, chance, keys, tokens, what is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emulators.kernel.clock import ManualClock
from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError, Unsupported
from emulators.kernel.folder import OnlyOne
from emulators.machinelearning.engine.endpoints import (
    access,
    checks,
    contents,
    recipes,
    records,
    shelf,
)
from emulators.machinelearning.engine.endpoints.recipes import Model, Recipe
from emulators.machinelearning.engine.endpoints.scratch import Scratch
from emulators.machinelearning.engine.runtime.definition import Definition
from emulators.machinelearning.errors import UserError, ValidationError
from emulators.machinelearning.store.endpoints import DEPLOYMENTS, ENDPOINTS, Deployment, Endpoint
from emulators.machinelearning.store.workspaces import Workspace
from tests.support import make_context

KNOWN = ("blue", "green", "Red")
names = st.sampled_from([*KNOWN, "BLUE", "red", "ghost", ""])
per_cents = st.sampled_from([0, 10, 50, 50, 90, 100, -1, 101])
shares = st.dictionaries(names, per_cents, max_size=3)
fast = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    made = make_context(tmp_path)
    yield made
    made.ledger.close()


@pytest.fixture
def ws(ctx: Context) -> Workspace:
    now = ctx.clock.now()
    return Workspace(
        key="k",
        guid="11111111-1111-1111-1111-111111111111",
        name="w",
        subscription="s",
        group="g",
        location="eastus",
        created=now,
        modified=now,
        created_by="me",
        storage_account="a",
        properties={},
    )


def wanted(mode: str = "Key", **more: Any) -> shelf.Wanted:
    return shelf.Wanted({"authMode": mode, **more}, {}, {}, "me")


def deployment(ctx: Context, endpoint: Endpoint, name: str, serving: int = 1) -> Deployment:
    now = ctx.clock.now()
    made = Deployment(
        endpoint.workspace, endpoint.key, name.lower(), name, {}, 1, now, now, "me", serving=serving
    )
    ctx.store.put(DEPLOYMENTS, made)
    return made


@pytest.fixture
def endpoint(ctx: Context, ws: Workspace) -> Endpoint:
    """An endpoint with three deployments that serve."""
    made, _ = records.put(ctx, ws, "some-name", wanted())
    for name in KNOWN:
        deployment(ctx, made, name)
    return made


@example(traffic={"blue": 50, "BLUE": 50}, mirror={})
@example(traffic={"blue": 100}, mirror={"green": 10, "GREEN": 0})
@given(traffic=shares, mirror=st.dictionaries(names, st.integers(-1, 60), max_size=2))
@fast
def test_accepted_shares_can_be_kept(
    ctx: Context, ws: Workspace, endpoint: Endpoint, traffic: dict[str, int], mirror: dict[str, int]
) -> None:
    """What is accepted sums to 0 or 100 and names deployments that serve; else nothing changes."""
    before = records.get(ctx, ws, "some-name")
    try:
        made, _ = records.put(ctx, ws, "some-name", wanted(traffic=traffic, mirrorTraffic=mirror))
    except (UserError, ValidationError):
        assert records.get(ctx, ws, "some-name") == before
        return
    assert sum(made.traffic.values()) in (0, 100)
    assert {name.lower() for name in made.traffic} <= {name.lower() for name in KNOWN}
    assert len({name.lower() for name in made.traffic}) == len(made.traffic)
    copied = {name.lower(): share for name, share in made.mirror_traffic.items() if share}
    assert len(copied) <= 1
    for name, share in copied.items():
        live = {n.lower(): s for n, s in made.traffic.items()}
        assert share <= 50
        assert not live.get(name)
        assert sum(live.values()) == 100


def test_a_deployment_that_never_served_gets_no_traffic(
    ctx: Context, ws: Workspace, endpoint: Endpoint
) -> None:
    deployment(ctx, endpoint, "new", serving=0)
    with pytest.raises(UserError, match="cannot serve"):
        records.put(ctx, ws, "some-name", wanted(traffic={"new": 100}))
    made, _ = records.put(ctx, ws, "some-name", wanted(traffic={"new": 0, "blue": 100}))
    assert made.traffic == {"new": 0, "blue": 100}


@given(cuts=st.lists(st.integers(1, 99), unique=True, max_size=6))
def test_choice_follows_the_shares(cuts: list[int]) -> None:
    """Of the hundred equally likely draws each deployment gets exactly its share."""
    edges = [0, *sorted(cuts), 100]
    parts = [(f"d{n}", b - a) for n, (a, b) in enumerate(pairwise(edges))]
    seen = Counter(records.choose(parts, drawn) for drawn in range(100))
    assert seen == dict(parts)


@given(text=st.text(max_size=40))
def test_a_name_is_3_to_32_letters_digits_and_single_dashes(text: str) -> None:
    plain = text.isascii() and all(c.isalnum() or c == "-" for c in text)
    fits = 3 <= len(text) <= 32 and "--" not in text and not text.endswith("-")
    fine = plain and fits and text[:1].isalpha()
    try:
        shelf.check_name("endpoint", text)
    except ValidationError:
        assert not fine
    else:
        assert fine


@pytest.mark.parametrize("name", ["abc", "a-b", "A1b2", "a" * 32])
def test_usual_names_are_fine(name: str) -> None:
    shelf.check_name("endpoint", name)


def test_the_auth_mode_stays(ctx: Context, ws: Workspace, endpoint: Endpoint) -> None:
    with pytest.raises(UserError, match="authMode"):
        records.put(ctx, ws, "some-name", wanted("AMLToken"))
    with pytest.raises(Unsupported):
        records.put(ctx, ws, "other-name", wanted(compute="my-cluster"))


def test_keys_are_an_endpoints_own(ctx: Context, ws: Workspace, endpoint: Endpoint) -> None:
    other, _ = records.put(ctx, ws, "some-name-2", wanted())
    own = records.keys(ctx, endpoint)
    assert len({*own.values(), *records.keys(ctx, other).values()}) == 4
    records.delete(ctx, endpoint)
    assert "keys" not in str(ctx.store.get(ENDPOINTS, ws.guid, "some-name"))
    again, _ = records.put(ctx, ws, "some-name", wanted())
    assert not set(records.keys(ctx, again).values()) & set(own.values())
    assert records.keys(ctx, other) == records.keys(ctx, other)


def opens(gate: access.Gate, header: bytes) -> bool:
    try:
        gate.check(header)
    except access.BadCredential:
        return False
    return True


@given(header=st.binary(max_size=80))
@fast
def test_no_other_header_opens(ctx: Context, endpoint: Endpoint, header: bytes) -> None:
    gate = access.Gate(ctx, endpoint)
    assert not opens(gate, header)
    assert not opens(gate, b"Bearer " + header)


def test_keys_open_in_any_spelling_of_the_scheme(ctx: Context, endpoint: Endpoint) -> None:
    gate = access.Gate(ctx, endpoint)
    for key in records.keys(ctx, endpoint).values():
        for scheme in (b"Bearer ", b"bearer ", b"BEARER  "):
            assert opens(gate, scheme + key.encode())


def test_a_token_ends_and_is_one_endpoints_own(
    ctx: Context, ws: Workspace, endpoint: Endpoint
) -> None:
    one, _ = records.put(ctx, ws, "with-token", wanted("AMLToken"))
    gate, token = access.Gate(ctx, one), access.issue(ctx, one)
    header = f"Bearer {token.token}".encode()
    assert opens(gate, header)
    assert opens(gate, header)  # by what is remembered of it
    assert token.refresh_after < token.expires
    other = replace(one, key="other-token")
    assert not opens(access.Gate(ctx, other), header)
    assert isinstance(ctx.clock, ManualClock)
    asyncio.run(ctx.clock.advance(access.TOKEN_LIFETIME_S + 3600))
    assert not opens(gate, header)
    records.delete(ctx, one)
    later, _ = records.put(ctx, ws, "with-token", wanted("AMLToken"))
    fresh = access.issue(ctx, one).token
    assert not opens(access.Gate(ctx, later), f"Bearer {fresh}".encode())


def test_a_host_name_belongs_to_one_endpoint(
    ctx: Context, ws: Workspace, endpoint: Endpoint
) -> None:
    assert records.by_host(ctx, "Some-Name") == records.get(ctx, ws, "some-name")
    elsewhere = replace(ws, guid="22222222-2222-2222-2222-222222222222")
    with pytest.raises(UserError, match="unique"):
        records.put(ctx, elsewhere, "SOME-name", wanted())
    records.delete(ctx, endpoint)
    assert records.by_host(ctx, "some-name") is None
    records.put(ctx, elsewhere, "SOME-name", wanted())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 500) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
fields = st.sampled_from(
    [*checks.TEXTS, *checks.OBJECTS, "endpointComputeType", "scaleSettings", "appInsightsEnabled"]
)
inner = st.sampled_from(
    ["requestTimeout", "maxConcurrentRequestsPerInstance", "WORKER_COUNT", "codeId"]
)


@given(
    values=st.dictionaries(fields, json_values | st.dictionaries(inner, json_values)),
    capacity=st.integers(-1, 60),
)
def test_any_properties_are_checked_or_refused(values: dict[str, Any], capacity: int) -> None:
    """Never another error, and what passes can be started from."""
    try:
        checks.check(values, capacity)
    except ServiceError:
        return
    assert 1 <= contents.timeout_ms(values) <= checks.MAX_TIMEOUT_MS
    assert contents.concurrency(values) >= 1
    assert contents.worker_count(values.get("environmentVariables") or {}) >= 1


paths = st.text(st.characters(whitelist_categories=("L", "N")), min_size=1, max_size=8)


@given(
    model=st.none() | st.builds(Model, paths, paths, paths),
    script=st.none() | st.text(max_size=20),
    conda=st.none() | st.text(max_size=50),
    requirements=st.lists(st.text(max_size=10)),
    context=st.none() | paths,
)
def test_a_recipe_survives_a_move_of_the_state_folder(
    model: Model | None,
    script: str | None,
    conda: str | None,
    requirements: list[str],
    context: str | None,
) -> None:
    old, new = Path("/old/place"), Path("/new/place")

    def made(folder: Path) -> Recipe:
        at = None if context is None else folder / context
        wants = Definition(conda=conda, context=at, requirements=tuple(requirements))
        return Recipe(model, script, wants)

    assert recipes._read(recipes._written(made(old), old), new) == made(new)


def test_scratch_is_found_and_swept_by_the_next_host_only(tmp_path: Path) -> None:
    for name in ("mine", "others"):
        (tmp_path / name).mkdir()
    mine, others = Scratch(tmp_path / "mine"), Scratch(tmp_path / "others")
    kept, left = others.new(), mine.new()
    (left / "deep").mkdir()
    (left / "deep/link").symlink_to(tmp_path)
    assert len(str(left)) < 40
    assert left.stat().st_mode & 0o077 == 0
    Scratch(tmp_path / "mine").sweep()
    assert not left.exists()
    assert kept.exists()
    assert tmp_path.is_dir()
    others.sweep()
    assert not kept.exists()


def test_scratch_of_hosts_that_were_killed_for_good_is_swept_too(tmp_path: Path) -> None:
    gone, dead, live = (tmp_path / name for name in ("gone", "dead", "live"))
    for state in (dead, live):
        (state / "run").mkdir(parents=True)
    (dead / "run/lock").touch()
    with OnlyOne(live):
        left = {state: Scratch(state).new() for state in (gone, dead, live)}
        Scratch(tmp_path / "mine").sweep()
        assert [left[state].exists() for state in (gone, dead, live)] == [False, False, True]
    Scratch(live).sweep()
