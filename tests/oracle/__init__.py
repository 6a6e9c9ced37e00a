"""An oracle for what vendors owe: one contract and one worked test to every number, in exact plain Python.

It shares with the warehouse only the typed contract. ``judge(contract, test)`` returns the lines with the
amount after each step, the clocks, the milestones and the figures of the months; ``cases.generated(count,
seed)`` returns contracts and tests to hold both against each other.
"""

from tests.oracle.pricing import Judged, Line, judge

__all__ = ["Judged", "Line", "judge"]
