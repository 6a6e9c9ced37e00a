"""Contracts as typed files: read, checked, and loaded into the reference tables.

Data flow: ``<contracts root>/**/*.yml`` → :mod:`located_yaml` (text to nodes that know their line) →
:mod:`model` (typed and exact) → :mod:`resolving` (each version with what it inherits) → :mod:`rules` (what
one file or several files may not say together) → :mod:`loading` (the schema ``reference``).

Bad input never raises: every mistake is a :class:`avoir.contracts.problems.Problem` with its line and
its mend.
"""
