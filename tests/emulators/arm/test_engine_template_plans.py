"""Plans of templates: whatever is in one, it is planned or refused in the service's words."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.arm.engine.templates import outputs
from emulators.arm.engine.templates.frames import Place, Surroundings, Wanted
from emulators.arm.engine.templates.order import ordered
from emulators.arm.engine.templates.planning import Plan, body_of, inner_scope, nested, plan
from emulators.kernel.errors import ServiceError
from tests.emulators.arm.deploying import nested as deployment
from tests.emulators.arm.deploying import values
from tests.emulators.arm.providers import TYPE, template, thing

AT = Surroundings(
    Place("S", "G"),
    {"resourceGroup": {"location": "eastus"}, "deployment": {"name": "d"}},
    datetime(2026, 1, 1, tzinfo=UTC),
    lambda: "guid",
)
WHOLE = template(
    thing(
        "[concat('a', copyIndex())]",
        copy={"name": "loop", "count": 2, "mode": "serial", "batchSize": 1},
        properties={"copy": [{"name": "p", "count": 2, "input": "[copyIndex('p')]"}]},
    ),
    thing("b", "loop", condition="[parameters('on')]", resources=[
        {**thing("c", "b"), "type": "parts"}
    ]),
    deployment("n", template(thing("d")), "b", scope="inner", parameters=values(x=1)),
    thing("e", properties={"x": "[mine.twice(variables('v').w)]"}, scope=f"{TYPE}/b"),
    parameters={"on": {"type": "bool", "defaultValue": True},
                "many": {"type": "array", "allowedValues": ["x"], "defaultValue": ["x"]}},
    variables={"v": {"w": "[resourceGroup().location]"},
               "copy": [{"name": "u", "count": 2, "input": "[copyIndex('u')]"}]},
    functions=[{"namespace": "mine", "members": {"twice": {
        "parameters": [{"name": "p", "type": "string"}],
        "output": {"type": "string", "value": "[concat(parameters('p'), parameters('p'))]"}}}}],
    outputs={"all": {"type": "array",
                     "copy": {"count": 2, "input": "[variables('u')[copyIndex()]]"}}},
)  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 900),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(["[concat('a'", "[variables('v')]", "[parameters('on')]", "[null()]", "a/b"]),
)
KEYS = st.sampled_from(
    ["name", "count", "copy", "input", "value", "type", "template", "scope", "x"]
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip


def planned(what: Any, given: Any = None) -> Plan:
    return ordered(plan(what, given or {}, AT, AT.place))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, (*path, index))


PLACES = list(places(WHOLE))[1:]


def everything(made: Plan) -> None:
    for one in made.resources.values():
        with contextlib.suppress(Wanted):
            properties = nested(one)
            if properties is None:
                body_of(one, one.frame)
            else:
                inner_scope(properties)
    outputs.evaluated(outputs.declared(made.template), made.frame)
    made.shown_parameters()


def test_the_whole_template() -> None:
    made = planned(WHOLE)
    everything(made)
    root = f"/subscriptions/S/resourceGroups/G/providers/{TYPE}"
    assert [one.id.removeprefix(root) for one in made.resources.values()] == [
        "/a0", "/a1", "/b", "/b/parts/c",
        "/subscriptions/S/resourceGroups/G/providers/Microsoft.Resources/deployments/n",
        f"/b/providers/{TYPE}/e",
    ]  # fmt: skip
    after = {one.name: {made.resources[key].name for key in one.depends}
             for one in made.resources.values()}  # fmt: skip
    assert after == {
        "a0": set(),
        "a1": {"a0"},
        "b": {"a0", "a1"},
        "b/c": {"b"},
        "n": {"b"},
        "e": set(),
    }


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_any_part_may_be_anything(place: tuple[Any, ...], value: Any) -> None:
    what = copy.deepcopy(WHOLE)
    at: Any = what
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with contextlib.suppress(ServiceError, Wanted):
        everything(planned(what))


@settings(max_examples=200, deadline=None)
@given(JSON, st.dictionaries(st.sampled_from(["on", "ON", "many", "x"]), JSON, max_size=2))
def test_any_template_and_any_parameters(what: Any, given: dict[str, Any]) -> None:
    with contextlib.suppress(ServiceError, Wanted):
        everything(planned(what))
    with contextlib.suppress(ServiceError, Wanted):
        everything(planned(WHOLE, given))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12))
def test_order_is_found_exactly_where_there_is_one(edges: list[tuple[int, int]]) -> None:
    edges = [(one, other) for one, other in edges if one != other]
    things = [thing(f"t{n}", *{f"t{other}" for one, other in edges if one == n}) for n in range(8)]
    left, gone = set(range(8)), {-1}
    while gone:
        gone = {n for n in left if not any(one == n and other in left for one, other in edges)}
        left -= gone
    try:
        made = planned(template(*things))
    except ServiceError as refused:
        assert "Circular dependency" in refused.message  # noqa: PT017 - either outcome is right
        assert left
        return
    assert not left
    found = {
        (one.name, made.resources[k].name) for one in made.resources.values() for k in one.depends
    }
    assert found == {(f"t{one}", f"t{other}") for one, other in edges}


def test_a_long_chain_of_variables_is_refused_and_not_a_crash() -> None:
    chain = {f"v{n}": f"[variables('v{n + 1}')]" for n in range(3000)}
    with contextlib.suppress(ServiceError):
        planned(template(variables={**chain, "v3000": "end"}))


def test_doubling_stops() -> None:
    doubled = {
        f"v{n}": f"[concat(variables('v{n - 1}'), variables('v{n - 1}'))]" for n in range(1, 60)
    }
    with contextlib.suppress(ServiceError):
        planned(template(variables={"v0": "x" * 1000, **doubled}))
