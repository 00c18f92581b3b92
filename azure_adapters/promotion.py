"""Promotion: a model goes from one workspace to the next through a registry, with evidence.

The rules only; what they act on are the Protocols below. In a workspace the version *in place* is
the one whose tag `promotion` says so; nothing but tags changes when another takes its place, so
everything can be undone.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

STATE = "promotion"
IN_PLACE, REPLACED, WITHDRAWN, ARRIVED = "in-place", "replaced", "withdrawn", "arrived"
AT = "promotion.at"  # UTC, ISO 8601
REPLACES = "promotion.replaces"  # version that was in place before
FROM = "promotion.from"  # ARM id of the model it is a copy of
REGISTRY = "promotion.registry"  # id of the registry's version
METRIC = "metrics."
JOB, DATA, CODE, COMMIT = "lineage.job", "lineage.data", "lineage.code", "lineage.commit"
OWN = (STATE, AT, REPLACES, FROM, REGISTRY)
LONGEST_TAG = 250  # characters of a value; Azure ends at 256


class Refused(RuntimeError):
    """What was asked for would be wrong; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Model:
    """One version of a model where it is registered."""

    name: str
    version: str
    id: str
    kind: str = "custom_model"
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    job: str = ""  # that made it; "" when unknown


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a version: how good it is, and what it was made of."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    job: str = ""
    data: Sequence[str] = ()  # `name:version`, or a path
    code: str = ""  # hash of the code's content
    commit: str = ""  # of git

    def tags(self) -> dict[str, str]:
        """The evidence as a version carries it."""
        lineage = {
            JOB: self.job,
            DATA: ", ".join(self.data),
            CODE: self.code,
            COMMIT: self.commit,
        }
        kept = {name: value[:LONGEST_TAG] for name, value in lineage.items() if value}
        return kept | {f"{METRIC}{name}": repr(value) for name, value in self.metrics.items()}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a candidate must be better in, and by how much."""

    metric: str
    min_gain: float = 0.0
    lower_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of the candidate and of the version in place; None where one has none."""

    metric: str
    candidate: float | None
    in_place: float | None
    gain: float | None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What came of it."""

    status: Literal["promoted", "unchanged", "refused", "undone"]
    model: str
    source: str
    target: str
    version: str | None  # in place in the target afterwards
    before: str | None  # in place in the target before
    registry: str = ""  # id of the registry's version
    evidence: Evidence = field(default_factory=Evidence)
    comparisons: Sequence[Comparison] = ()
    why: str = ""


class Models(Protocol):
    """The models of a workspace or a registry."""

    @property
    def title(self) -> str:
        """What people call it."""
        ...

    def find(self, name: str, version: str | None = None) -> Model | None:
        """A version, the latest when none is named; None when there is none."""
        ...

    def every(self, name: str) -> list[Model]:
        """All versions that are not archived, newest first."""
        ...

    def tag(self, model: Model, tags: Mapping[str, str]) -> Model:
        """Add tags to a version; those it has stay."""
        ...

    def fetch(self, model: Model, folder: Path) -> Path:
        """Download a version below `folder`; return its own file or folder there."""
        ...


class Workspace(Models, Protocol):
    """A workspace that models come from and go to."""

    def evidence(self, model: Model) -> Evidence:
        """What the workspace knows of a version."""
        ...

    def share(self, model: Model, registry: str) -> None:
        """Copy a version into a registry under its own name and version."""
        ...

    def register(self, model: Model, path: Path) -> Model:
        """Make the version that `model` describes from local files."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """From where, by which registry, to where."""

    source: Workspace
    registry: Models
    registry_name: str
    target: Workspace


def numbers(tags: Mapping[str, str]) -> dict[str, float]:
    """The metrics among a version's tags: `metrics.auc`, and `auc` where it is a number."""
    found: dict[str, float] = {}
    for name in sorted(tags, key=lambda name: name.startswith(METRIC)):
        value = _number(tags[name])
        if value is not None and name not in OWN and not name.startswith("lineage."):
            found[name.removeprefix(METRIC)] = value
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def standing(models: Sequence[Model]) -> Model | None:
    """The version in place; of several, which a cut connection may leave, the newest put there."""
    here = [model for model in models if model.tags.get(STATE) == IN_PLACE]
    return max(here, key=lambda model: model.tags.get(AT, "")) if here else None


def compare(candidate: Mapping[str, float], in_place: Mapping[str, float]) -> list[Comparison]:
    """Every metric that either has; the gain is the candidate's value less the other."""
    found = []
    for name in sorted({*candidate, *in_place}):
        new, old = candidate.get(name), in_place.get(name)
        gain = None if new is None or old is None else new - old
        found.append(Comparison(name, new, old, gain))
    return found


def judge(
    rule: Rule | None, candidate: Mapping[str, float], in_place: Mapping[str, float] | None
) -> str:
    """Why the gate stays shut; "" when it opens.

    Args:
        in_place: the metrics of the version in place; None when there is none.
    """
    if rule is None:
        return ""
    new = candidate.get(rule.metric)
    if new is None:
        known = ", ".join(sorted(candidate)) or "none at all"
        return f"the candidate has no metric '{rule.metric}' (it has {known})"
    if in_place is None:
        return ""
    old = in_place.get(rule.metric)
    if old is None:
        return f"the version in place has no metric '{rule.metric}' to be compared with"
    gain = old - new if rule.lower_is_better else new - old
    # Two decimal numbers whose difference is meant to be 0.01 differ by a hair less.
    if gain >= rule.min_gain or math.isclose(gain, rule.min_gain, rel_tol=1e-9, abs_tol=1e-12):
        return ""
    return (
        f"{rule.metric} is {new:g}, in place it is {old:g}: a gain of {gain:.6g}, and at least"
        f" {rule.min_gain:g} is asked for"
    )


def promote(route: Route, name: str, version: str | None, rule: Rule | None, now: str) -> Promotion:
    """Put a version of the source in place in the target, if the rule lets it.

    Args:
        version: None is the latest.
        now: UTC, ISO 8601.

    Raises:
        LookupError: the source has no such model.
        Refused: the registry or the target has another model under that name and version.
    """
    candidate = route.source.find(name, version)
    if candidate is None:
        raise LookupError(f"{route.source.title} has no model {name}:{version or 'latest'}")
    evidence = _evidence(route.source, candidate)
    old = standing(route.target.every(name))
    told = Promotion(
        "refused", name, route.source.title, route.target.title,
        version=old.version if old else None,
        before=old.version if old else None,
        evidence=evidence,
        comparisons=compare(evidence.metrics, numbers(old.tags) if old else {}),
    )  # fmt: skip
    if old is not None and _same_origin(old, candidate, route):
        _settle(route.target, old)
        return replace(told, status="unchanged", registry=old.tags.get(REGISTRY, ""))
    why = judge(rule, evidence.metrics, numbers(old.tags) if old else None)
    if why:
        return replace(told, why=why)
    held = _in_registry(route, candidate, evidence)
    arrived = _in_target(route, candidate, held, evidence)
    marks = {STATE: IN_PLACE, AT: now, REPLACES: old.version if old else ""}
    # The new one first: a cut between the two leaves one in place that `standing` still tells.
    put = route.target.tag(arrived, marks)
    _settle(route.target, put)
    return replace(told, status="promoted", version=put.version, registry=held.id)


def _settle(target: Workspace, here: Model) -> None:
    """Let no other version say that it is in place."""
    for model in target.every(here.name):
        if model.tags.get(STATE) == IN_PLACE and model.version != here.version:
            target.tag(model, {STATE: REPLACED})


def undo(target: Workspace, name: str, now: str) -> Promotion:
    """Put the version that was in place before back there; the files of both stay.

    Raises:
        LookupError: nothing is in place, or what was before is gone.
    """
    current = standing(target.every(name))
    if current is None:
        raise LookupError(f"no version of {name} is in place in {target.title}")
    before, back = current.tags.get(REPLACES, ""), None
    if before:
        back = target.find(name, before)
        if back is None:
            raise LookupError(f"{name}:{before}, which {current.version} replaced, is gone")
        target.tag(back, {STATE: IN_PLACE, AT: now})
    target.tag(current, {STATE: WITHDRAWN})
    return Promotion(
        "undone", name, target.title, target.title,
        version=back.version if back else None,
        before=current.version,
    )  # fmt: skip


def _evidence(source: Workspace, candidate: Model) -> Evidence:
    """What came with an earlier promotion, else what the workspace knows."""
    if REGISTRY in candidate.tags:
        tags = candidate.tags
        return Evidence(
            numbers(tags),
            tags.get(JOB, ""),
            [part for part in tags.get(DATA, "").split(", ") if part],
            tags.get(CODE, ""),
            tags.get(COMMIT, ""),
        )
    known = source.evidence(candidate)
    metrics = {**known.metrics, **numbers(candidate.tags)}
    return Evidence(metrics, known.job, known.data, known.code, known.commit)


def _same_origin(there: Model, candidate: Model, route: Route) -> bool:
    own = candidate.tags.get(REGISTRY)
    if own:
        return there.tags.get(REGISTRY) == own
    return there.tags.get(FROM) == candidate.id


def _in_registry(route: Route, candidate: Model, evidence: Evidence) -> Model:
    """The registry's copy of the candidate, made unless it is there."""
    registry, name, version = route.registry, candidate.name, candidate.version
    held = registry.find(name, version)
    if held is not None and candidate.tags.get(REGISTRY, "").lower() == held.id.lower():
        return held
    if held is not None and held.tags.get(FROM) == candidate.id:
        return held
    if held is None:
        route.source.share(candidate, route.registry_name)
        held = registry.find(name, version)
        if held is None:
            raise Refused(f"{registry.title} took {name}:{version} and does not show it")
    elif FROM in held.tags or not _same_files(route, candidate, held):
        raise Refused(
            f"{registry.title} has another {name}:{version}: register the candidate under a"
            " version that no other workspace has shared, or use another registry"
        )
    return registry.tag(held, {**evidence.tags(), FROM: candidate.id})


def _same_files(route: Route, candidate: Model, held: Model) -> bool:
    """Whether two versions are the same bytes under the same names, as after a cut promotion."""
    with tempfile.TemporaryDirectory() as folder:
        ours = route.source.fetch(candidate, Path(folder) / "candidate")
        theirs = route.registry.fetch(held, Path(folder) / "held")
        return digest(ours) == digest(theirs)


def digest(path: Path) -> str:
    """SHA-256 over the names below a folder, or of a file, and their bytes."""
    found = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        name = file.name if file == path else file.relative_to(path).as_posix()
        found.update(f"{name}\0{content}\n".encode())
    return found.hexdigest()


def _in_target(route: Route, candidate: Model, held: Model, evidence: Evidence) -> Model:
    """The target's copy of the registry's version, made unless it is there."""
    there = route.target.find(candidate.name, held.version)
    if there is not None:
        if there.tags.get(REGISTRY, "").lower() == held.id.lower():
            return there
        raise Refused(
            f"{route.target.title} has a {candidate.name}:{held.version} of its own: models of a"
            " workspace that is promoted to should come by promotion only"
        )
    words = {k: v for k, v in candidate.tags.items() if k not in OWN}
    tags = {**words, **evidence.tags(), STATE: ARRIVED, REGISTRY: held.id, FROM: candidate.id}
    wanted = Model(candidate.name, held.version, "", held.kind, candidate.description, tags)
    with tempfile.TemporaryDirectory() as folder:
        return route.target.register(wanted, route.registry.fetch(held, Path(folder)))
