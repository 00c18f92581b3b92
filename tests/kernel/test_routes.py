"""Routes: literals before names before rests, case ignored, and against a plain matcher."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.routes import Routes


def routes(*templates: str) -> Routes[str]:
    made: Routes[str] = Routes()
    for template in templates:
        method, _, path = template.partition(" ")
        made.add(method, path, template)
    return made


def found(made: Routes[str], path: str, method: str = "GET") -> tuple[str | None, dict[str, str]]:
    match = made.find(path, method)
    if match is None:
        return None, {}
    return match.by_method.get(method), match.params


def test_a_literal_wins_over_a_name_and_a_name_over_a_rest() -> None:
    made = routes("GET /a/{rest:path}", "GET /a/{x}", "GET /a/b")
    assert found(made, "/a/b")[0] == "GET /a/b"
    assert found(made, "/A/B")[0] == "GET /a/b"
    assert found(made, "/a/c") == ("GET /a/{x}", {"x": "c"})
    assert found(made, "/a/c/d") == ("GET /a/{rest:path}", {"rest": "c/d"})
    assert found(made, "/a/") == ("GET /a/{rest:path}", {"rest": ""})


def test_a_dead_end_is_walked_back() -> None:
    made = routes("GET /a/b/c", "GET /{x}/b/d", "GET /{y}/{z}/e")
    assert found(made, "/a/b/d") == ("GET /{x}/b/d", {"x": "a"})
    assert found(made, "/a/b/e") == ("GET /{y}/{z}/e", {"y": "a", "z": "b"})
    assert found(made, "/a/b/f") == (None, {})


def test_the_method_decides_between_paths() -> None:
    made = routes("GET /a/b", "PUT /a/{x}")
    assert found(made, "/a/b", "PUT") == ("PUT /a/{x}", {"x": "b"})
    match = made.find("/a/b", "DELETE")
    assert match is not None
    assert set(match.by_method) == {"GET"}  # the best that knows another method


def test_names_are_decoded_and_never_empty() -> None:
    made = routes("GET /a/{x}/c", "GET /{rest:path}")
    assert found(made, "/a/%C3%A9%2F%20/c") == ("GET /a/{x}/c", {"x": "é/ "})
    assert found(made, "/a//c") == ("GET /{rest:path}", {"rest": "a//c"})
    assert found(made, "/") == ("GET /{rest:path}", {"rest": ""})


def test_a_slash_at_the_end_does_not_matter() -> None:
    made = routes("GET /a/{x}", "GET /")
    assert found(made, "/a/b/") == ("GET /a/{x}", {"x": "b"})
    assert found(made, "/")[0] == "GET /"
    assert found(made, "")[0] == "GET /"


def test_what_cannot_be_added() -> None:
    made = routes("GET /a/{x}")
    with pytest.raises(ValueError, match="twice"):
        made.add("GET", "/A/{x}", "again")
    with pytest.raises(ValueError, match="last"):
        made.add("GET", "/{x:path}/b", "rest first")


segments = st.sampled_from(["a", "b", "C", "{x}", "{y}"])
templates = st.lists(segments, min_size=1, max_size=4).filter(
    lambda parts: len({p for p in parts if p[0] == "{"}) == sum(p[0] == "{" for p in parts)
)


def plainly(template: list[str], path: list[str]) -> bool:
    """Whether a path fits a template, segment by segment."""
    return len(template) == len(path) and all(
        bool(part) if word[0] == "{" else word.lower() == part.lower()
        for word, part in zip(template, path, strict=True)
    )


@given(
    st.lists(templates, min_size=1, max_size=8, unique_by=lambda t: tuple(w.lower() for w in t)),
    st.lists(st.text(st.sampled_from("abC%é {"), min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_it_finds_what_a_plain_matcher_finds(known: list[list[str]], path: list[str]) -> None:
    made: Routes[list[str]] = Routes()
    for template in known:
        made.add("GET", "/" + "/".join(template), template)
    match = made.find("/" + "/".join(quote(part, safe="") for part in path), "GET")
    fitting = [t for t in known if plainly(t, [quote(p, safe="") for p in path])]
    assert (match is None) == (not fitting)
    if match is None:
        return
    chosen = match.by_method["GET"]
    assert chosen in fitting
    assert match.params == {
        word[1:-1]: part for word, part in zip(chosen, path, strict=True) if word[0] == "{"
    }
    literal_first = min([w[0] == "{" for w in t] for t in fitting)
    assert [w[0] == "{" for w in chosen] == literal_first


@given(st.text(max_size=40))
def test_any_path_is_found_or_not(path: str) -> None:
    made = routes("GET /a/{x}/{rest:path}", "GET /{x}")
    match = made.find("/" + path, "GET")
    if match is not None and "x" in match.params:
        assert match.params["x"] == unquote(re.split("/", path)[1 if "rest" in match.params else 0])
