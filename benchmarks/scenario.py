"""The online-endpoint scenario from an empty state folder, with a warm package cache.

    python -m benchmarks.scenario

Its own limit is named beside it: the seconds that importing the SDK and the training libraries take
in bare processes, which no emulator can save.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.running import started

IMPORTS = ("azure.ai.ml", "mlflow, sklearn, pandas")


def main() -> None:
    began = time.perf_counter()
    for names in IMPORTS:
        subprocess.run([sys.executable, "-c", f"import {names}"], check=True)
    imports = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with started(Path(folder) / "state") as running:
            said = running.rehearse("run", "online-endpoint", "--json", quiet_failure=True)
            outcome = json.loads(said.strip().splitlines()[-1])
        took = time.perf_counter() - began
    print("| what | here | against |\n| --- | ---: | --- |")
    print(
        f"| scenario 2 from zero, {outcome['status']} | {took:.1f} s | target 60 s;"
        f" {took / imports:.1f} x the {imports:.1f} s of bare imports |"
    )


if __name__ == "__main__":
    main()
