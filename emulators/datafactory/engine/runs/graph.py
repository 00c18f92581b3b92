"""Which activity of a scope may start, is skipped, and whether the scope has succeeded. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from emulators.datafactory.engine.definitions import Activity, BadDefinition

SUCCEEDED, FAILED, SKIPPED = "Succeeded", "Failed", "Skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """An activity that is decided: it starts now, or it never does."""

    activity: Activity
    starts: bool


class Graph:
    """The activities of one scope and who waits for whom; names are compared in lower case.

    Raises:
        BadDefinition: a name is used twice, a dependency names nothing, or they go in a circle.
    """

    def __init__(self, activities: Sequence[Activity]) -> None:
        self.activities = {activity.name.lower(): activity for activity in activities}
        self.dependants: dict[str, list[str]] = {name: [] for name in self.activities}
        self.parents: dict[str, list[str]] = {}
        if len(self.activities) != len(activities):
            raise BadDefinition("activities", "two activities have the same name")
        for name, activity in self.activities.items():
            self.parents[name] = [each.activity.lower() for each in activity.depends_on]
            for parent in self.parents[name]:
                if parent not in self.dependants:
                    raise BadDefinition(
                        activity.name, f"depends on '{parent}', which is not in its scope"
                    )
                self.dependants[parent].append(name)
        self._refuse_circles()

    def _refuse_circles(self) -> None:
        open_parents = {name: len(parents) for name, parents in self.parents.items()}
        free = [name for name, count in open_parents.items() if not count]
        for name in free:
            for dependant in self.dependants[name]:
                open_parents[dependant] -= 1
                if not open_parents[dependant]:
                    free.append(dependant)
        if len(free) != len(self.activities):
            circle = next(name for name, count in open_parents.items() if count)
            raise BadDefinition(self.activities[circle].name, "waits for itself in a circle")

    def descendants(self, names: set[str]) -> set[str]:
        """The activities named (in lower case) and all that wait for them, however far."""
        found, left = set(names), list(names)
        while left:
            for dependant in self.dependants[left.pop()]:
                if dependant not in found:
                    found.add(dependant)
                    left.append(dependant)
        return found


@dataclass(slots=True)
class Progress:
    """How far one pass through a graph has come."""

    graph: Graph
    outcomes: dict[str, str] = field(default_factory=dict)  # by name in lower case
    decided: set[str] = field(default_factory=set)

    def first(self) -> list[Step]:
        """What starts at once."""
        return self._decide(self.graph.activities)

    def ended(self, name: str, outcome: str) -> list[Step]:
        """Take in how an activity ended; what starts, or is skipped, because of it.

        `outcome` is Succeeded, Failed or Skipped.
        """
        self.outcomes[name.lower()] = outcome
        return self._decide(self.graph.dependants[name.lower()])

    def _decide(self, names: Sequence[str] | dict[str, Activity]) -> list[Step]:
        steps, left = [], list(names)
        for name in left:
            starts = None if name in self.decided else self._starts(self.graph.activities[name])
            if starts is None:
                continue
            self.decided.add(name)
            steps.append(Step(self.graph.activities[name], starts))
            if not starts:
                self.outcomes[name] = SKIPPED
                left.extend(self.graph.dependants[name])
        return steps

    def _starts(self, activity: Activity) -> bool | None:
        """Whether it starts; None while a parent that matters has not ended."""
        waits = False
        for dependency in activity.depends_on:
            outcome = self.outcomes.get(dependency.activity.lower())
            if outcome is None:
                waits = True
            elif not dependency.met(outcome):
                return False
        return None if waits else True

    def failed(self) -> list[Activity]:
        """The activities for which the scope fails, in the order they are written; [] if none.

        The leaves decide; in place of a skipped one its parents do.
        """
        graph = self.graph
        asked = {name for name in graph.activities if not graph.dependants[name]}
        failures = {name for name in self._deciding(asked) if self.outcomes[name] != SUCCEEDED}
        return [activity for name, activity in graph.activities.items() if name in failures]

    def _deciding(self, leaves: set[str]) -> Iterator[str]:
        seen, left = set(leaves), list(leaves)
        while left:
            name = left.pop()
            if self.outcomes[name] != SKIPPED:
                yield name
                continue
            for parent in self.graph.parents[name]:
                if parent not in seen:
                    seen.add(parent)
                    left.append(parent)
