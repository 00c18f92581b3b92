"""`rehearse`, also as `python -m emulators`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from emulators.cli import app

    app(prog_name="rehearse")


if __name__ == "__main__":
    main()
