"""A plain script that does what its input says."""

# mypy: ignore-errors

import json
import sys
import time


def init():
    print("init", "prints", sep="-")


def run(data):
    if data.startswith("{") and "do" in data:
        asked = json.loads(data)
        if asked["do"] == "raise":
            raise ValueError("secret text")
        if asked["do"] == "sleep":
            time.sleep(asked["s"])
        if asked["do"] == "unserialisable":
            return {1, 2}
        if asked["do"] == "nan":
            return float("nan")
        if asked["do"] == "timeout-error":
            raise TimeoutError("mine")
        if asked["do"] == "json":
            return json.dumps({"a": [1, "é"]})
        if asked["do"] == "none":
            return None
        if asked["do"] == "print":
            print("percent %s", 1)
            print("to stderr", file=sys.stderr)
    return {"got": data}
