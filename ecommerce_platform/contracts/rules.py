"""Quality rules of a contract: which there are, and how a file states them.

What belongs here: from the standard's `quality` to rules by name. What does not: what a rule means (dbt's tests).
"""

from __future__ import annotations

from collections import Counter

from open_data_contract_standard.model import SchemaProperty

from ecommerce_platform.contracts.document import Document
from ecommerce_platform.contracts.model import QualityRule

_RULES = ("valid_email", "not_negative", "positive", "not_blank", "known_status", "known_user")


def quality_rules(document: Document, at: int, item: SchemaProperty) -> list[QualityRule]:
    """The rules of a column; those that cannot be used are reported."""
    rules = []
    for number, quality in enumerate(item.quality or []):
        place = ("schema", 0, "properties", at, "quality", number)
        if not quality.name or not isinstance(quality.implementation, str):
            document.report(
                place, f"a quality rule of column {item.name} lacks a name or an implementation", "add what is missing"
            )
        elif quality.implementation not in _RULES:
            document.report(
                (*place, "implementation"),
                f"quality rule {quality.name} has implementation {quality.implementation!r}",
                f"expected one of {', '.join(_RULES)}",
            )
        else:
            rules.append(QualityRule(quality.name, quality.implementation, str(item.name), quality.description or ""))
    return rules


def check_rules(document: Document, rules: tuple[QualityRule, ...]) -> None:
    """Reports names that several rules of a table have."""
    for name, count in Counter(rule.name for rule in rules).items():
        if count > 1:
            document.report(
                ("schema", 0, "properties"),
                f"{count} quality rules are called {name}",
                "expected another name for each",
            )
