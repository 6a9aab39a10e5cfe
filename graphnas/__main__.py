"""`python -m graphnas` is `graphnas`."""

from graphnas.cli import main

main()
