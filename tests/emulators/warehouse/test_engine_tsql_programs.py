"""Random programs of branches, loops and jumps out of them do what the same Python does."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.warehouse.engine.tsql.session import SqlSession
from tests.emulators.warehouse.engine_session import opened, run

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlSession]:
    with opened(tmp_path_factory.mktemp("programs")) as place:
        yield place.login()


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, str]:
    name, sign, number = (
        draw(st.sampled_from(NAMES)),
        draw(st.sampled_from(["<", ">", "=", "<=", ">=", "<>"])),
        draw(st.integers(-9, 9)),
    )
    python = {"=": "==", "<>": "!="}.get(sign, sign)
    return f"@{name} {sign} {number}", f"{name} {python} {number}"


@st.composite
def blocks(draw: st.DrawFn, depth: int = 3, looping: bool = False) -> tuple[str, str]:
    """Statements in T-SQL and in Python; every loop ends by a counter of its own."""
    made = draw(st.lists(steps(depth, looping), min_size=1, max_size=4))
    return "\n".join(sql for sql, _ in made), "\n".join(python for _, python in made)


@st.composite
def steps(draw: st.DrawFn, depth: int, looping: bool) -> tuple[str, str]:
    kinds = ["set", "add", "print"]
    kinds += ["if", "else", "while"] if depth else []
    kinds += ["break", "continue"] if looping else []
    kind = draw(st.sampled_from(kinds))
    name, other = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
    number = draw(st.integers(-9, 9))
    if kind == "set":
        return f"SET @{name} = @{other} % 50 + {number}", f"{name} = rem({other}, 50) + {number}"
    if kind == "add":
        return f"SET @{name} -= {number}", f"{name} -= {number}"
    if kind == "print":
        return f"PRINT @{name}", f"told.append({name})"
    if kind in ("break", "continue"):
        sql, python = draw(conditions())
        return f"IF {sql} {kind.upper()}", f"if {python}: {kind}"
    return draw(compounds(kind, depth))


@st.composite
def compounds(draw: st.DrawFn, kind: str, depth: int) -> tuple[str, str]:
    sql, python = draw(conditions())
    inner = draw(blocks(depth - 1, kind == "while"))
    if kind == "while":
        counter = f"n{depth}"
        return (
            f"SET @{counter} = 0\nWHILE @{counter} < 5 AND {sql}\nBEGIN\nSET @{counter} += 1\n"
            f"{inner[0]}\nEND",
            f"{counter} = 0\nwhile {counter} < 5 and {python}:\n    {counter} += 1\n"
            f"{indent(inner[1], '    ')}",
        )
    then = f"IF {sql}\nBEGIN\n{inner[0]}\nEND", f"if {python}:\n{indent(inner[1], '    ')}"
    if kind == "if":
        return then
    other = draw(blocks(depth - 1))
    return (
        f"{then[0]}\nELSE\nBEGIN\n{other[0]}\nEND",
        f"{then[1]}\nelse:\n{indent(other[1], '    ')}",
    )


def rem(a: int, b: int) -> int:
    """As T-SQL's %: the sign is the dividend's."""
    return abs(a) % b * (1 if a >= 0 else -1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(program=blocks())
def test_programs_do_as_python_does(session: SqlSession, program: tuple[str, str]) -> None:
    told: list[int] = []
    exec(
        f"a = b = c = 1\n{program[1]}\ntold.append(a)\ntold.append(b)\ntold.append(c)",
        {"told": told, "rem": rem},
    )
    declared = "DECLARE @a int = 1, @b int = 1, @c int = 1, @n1 int, @n2 int, @n3 int\n"
    got = run(session, f"{declared}{program[0]}\nPRINT @a PRINT @b PRINT @c")
    assert got == [f"print {number}" for number in told]
