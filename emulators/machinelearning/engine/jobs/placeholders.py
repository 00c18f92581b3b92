"""`${{…}}` in commands and bindings, and the optional groups `$[[…]]`. Pure text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emulators.machinelearning.errors import InvalidJob

EXPRESSION = re.compile(r"\$\{\{\s*([^{}]+?)\s*\}\}")
GROUP = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_BINDING = re.compile(
    r"parent\.(?:(inputs|outputs)\.([\w-]+)|jobs\.([\w-]+)\.(inputs|outputs)\.([\w-]+))\Z"
)


@dataclass(frozen=True, slots=True)
class Binding:
    """What a `${{parent…}}` names: a pipeline's own input or output, or a step's."""

    direction: str  # "inputs" or "outputs"
    name: str
    step: str | None = None  # None: the pipeline itself


def binding(text: object) -> Binding | None:
    """The binding that is the whole of `text`, or None where it is anything else.

    Raises:
        InvalidJob: a `${{parent…}}` of no known form.
    """
    if not isinstance(text, str):
        return None
    found = EXPRESSION.fullmatch(text.strip())
    return _parsed(found[1]) if found else None


def bindings_in(text: object) -> list[Binding]:
    """Every binding inside a literal."""
    if not isinstance(text, str):
        return []
    return [b for inner in EXPRESSION.findall(text) if (b := _parsed(inner)) is not None]


def _parsed(inner: str) -> Binding | None:
    if not inner.startswith("parent."):
        return None
    found = _BINDING.match(inner)
    if found is None:
        raise InvalidJob(f"The binding '${{{{{inner}}}}}' names neither an input nor an output.")
    if found[1]:
        return Binding(found[1], found[2])
    return Binding(found[4], found[5], found[3])


def fill(text: str, value_of: Callable[[str], str | None]) -> str:
    """Replace every `${{expression}}` by its value; text around it stays to the letter.

    Raises:
        InvalidJob: `value_of` knows no value for one of them.
    """

    def put(found: re.Match[str]) -> str:
        value = value_of(found[1])
        if value is None:
            raise InvalidJob(f"'{found[0]}' has no value: no such input, output or parameter.")
        return value

    return EXPRESSION.sub(put, text)


def command_line(
    command: str,
    *,
    inputs: Mapping[str, str | None],
    outputs: Mapping[str, str],
    search_space: Mapping[str, str],
) -> str:
    """The command with all placeholders replaced, as bash gets it.

    An input whose value is None was optional and not given: the group `$[[…]]` that names it
    disappears. A plain `${{inputs.x}}` of such an input is an error, as in Azure.

    Args:
        inputs: literal text or local path by name.
        outputs: local path by name.
        search_space: this trial's values by name.

    Raises:
        InvalidJob: a placeholder without a value.
    """
    tables: dict[str, Mapping[str, str | None]] = {
        "inputs": inputs,
        "outputs": outputs,
        "search_space": search_space,
    }

    def value_of(expression: str) -> str | None:
        table, _, name = expression.partition(".")
        return tables.get(table, {}).get(name)

    def group(found: re.Match[str]) -> str:
        named = [e.partition(".") for e in EXPRESSION.findall(found[1])]
        absent = any(table == "inputs" and inputs.get(name) is None for table, _, name in named)
        return "" if absent else found[1]

    return fill(GROUP.sub(group, command), value_of)
