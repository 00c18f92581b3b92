"""Run a corpus and print what passed and what did not."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

SUITES = {
    "datafactory-expressions": "tests.conformance.datafactory_expressions",
    "datafactory-pipelines": "tests.conformance.datafactory_pipelines",
}


def main() -> int:
    """Exit 1 when a case fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("suite", choices=sorted(SUITES))
    parser.add_argument("path", type=Path, help="the corpus: a file or a folder")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    asked = parser.parse_args()
    if not asked.path.exists():
        parser.error(f"there is no {asked.path}")
    result = import_module(SUITES[asked.suite]).run(asked.path)
    if not result["passed"] and not result["failed"]:
        parser.error(f"there is no case in {asked.path}")
    if asked.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        for failed in result["failed"]:
            print(f"{failed['id']}: expected {failed['expected']!r}, got {failed['got']!r}")
        print(f"{result['passed']} passed, {len(result['failed'])} failed")
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
