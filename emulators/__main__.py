"""`rehearse`, also as `python -m emulators`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from emulators import cli

    cli.main()


if __name__ == "__main__":
    main()
