"""Resource ids: what is printed is read, and any path is an id or ARM's error."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.arm.engine.ids import ResourceId, Scope, parse
from emulators.arm.errors import InvalidResourceName, NoResourcePath
from emulators.kernel.errors import ServiceError

words = st.from_regex(r"\A[A-Za-z][A-Za-z0-9]{0,8}\Z").filter(lambda w: w.lower() != "providers")
names = st.from_regex(r"\A[A-Za-z0-9é ()_-]{1,12}\Z").filter(lambda n: n.lower() != "providers")
scopes = st.one_of(
    st.just(Scope()),
    st.builds(Scope, words),
    st.builds(Scope, words, names),
)


@st.composite
def ids(draw: st.DrawFn) -> ResourceId:
    scope = draw(scopes)
    types = draw(st.lists(words, min_size=1, max_size=4))
    count = len(types) - draw(st.integers(0, 1))
    chosen = draw(st.lists(names, min_size=count, max_size=count))
    return ResourceId(scope, "Microsoft." + draw(words), tuple(types), tuple(chosen))


@given(ids())
def test_what_is_printed_is_read(made: ResourceId) -> None:
    assert parse(quote(made.path)) == made


@given(ids().filter(lambda i: not i.collection), ids())
def test_extensions_are_read(owner: ResourceId, extension: ResourceId) -> None:
    scope = Scope(owner.scope.subscription, owner.scope.group, owner.path)
    made = ResourceId(scope, extension.namespace, extension.types, extension.names)
    assert parse(quote(made.path)) == made


@given(st.text(max_size=60).map(lambda t: "/subscriptions/s/" + t))
def test_any_path_is_an_id_or_an_error(path: str) -> None:
    try:
        found = parse(path)
    except (InvalidResourceName, NoResourcePath):
        return
    assert found.types


@pytest.mark.parametrize(
    "name", ["..", "a.", "a%2Fb", "a%5Cb", "a%00b", "a%1Fb", "%0d%0aSet-Cookie", "x" * 261, "a%3Fb"]
)
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(ServiceError) as refused:
        parse(f"/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/{name}")
    assert refused.value.code == "InvalidResourceName"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/subscriptions",
        "/subscriptions/s",
        "/subscriptions/s/resourceGroups/g",
        "/subscriptions/s/providers/Microsoft.X",
        "/subscriptions/s/providers/Microsoft.X/things/providers/Microsoft.Y/z",
        "/subscriptions/s/other/g/providers/Microsoft.X/things/a",
        "/" + "x" * 3000,
    ],
)
def test_what_is_no_id(path: str) -> None:
    with pytest.raises(ServiceError) as refused:
        parse(path)
    assert refused.value.status == 404
