"""Networks of other kinds than the papers' in `tests/models`, written as people publish them in repositories."""
