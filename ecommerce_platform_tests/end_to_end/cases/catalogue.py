"""All hand-checked cases.

What belongs here: the list. What does not: cases.
"""

from __future__ import annotations

from ecommerce_platform_tests.end_to_end.cases import changing_orders, event_order, figures, segments
from ecommerce_platform_tests.end_to_end.cases.case import Case

#: The case that refuses a day: beside others, its bad rows would be too few for that.
UNREADABLE = figures.UNREADABLE
CASES: tuple[Case, ...] = (*changing_orders.CASES, *event_order.CASES, *figures.CASES, *segments.CASES)
