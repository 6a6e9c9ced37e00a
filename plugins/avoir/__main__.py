"""``python -m avoir`` is the ``avoir`` command."""

from avoir.cli import main

main()
