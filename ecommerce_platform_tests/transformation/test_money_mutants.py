"""Every small mistake in the SQL that computes money is noticed by a test of docs/definitions.md.

The models' compiled SQL is built once as it is; then each mutant takes its model's place, the models behind it are built from
it, and the tests of test_money.py and test_definitions.py judge. What survives is a figure that nothing pins down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from snowflake.connector.errors import Error as SnowflakeError

from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, dbt_run
from ecommerce_platform.transformation.project.manifest import DbtProject, load_manifest
from ecommerce_platform.warehouse.sql.connection import execute
from ecommerce_platform_tests.mutants.judges import noticed
from ecommerce_platform_tests.mutants.report import Score, written
from ecommerce_platform_tests.mutants.sql import Mutant, mutants
from ecommerce_platform_tests.transformation import test_definitions, test_money
from ecommerce_platform_tests.transformation.history import built
from ecommerce_platform_tests.transformation.test_money import half_a_day

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

pytestmark = pytest.mark.mutation

MODELS = (
    "stg_orders_enhanced",
    "stg_order_items_enhanced",
    "stg_users_enhanced",
    "stg_products_enhanced",
    "int_order_analytics",
    "int_earlier_purchases",
    "int_customer_metrics",
    "int_product_analytics",
    "mart_daily_business_metrics",
    "mart_customer_tier_analytics",
    "mart_product_performance",
    "mart_customer_analytics",
)
#: Mutants that compute the same, by a part of their description: why no test can notice.
SAME: dict[str, tuple[tuple[str, str], ...]] = {
    "stg_order_items_enhanced": (
        ("__dbt__cte__base_price_history: WHERE", "a repeated price ends one interval and begins the same"),
        ("events: INNER JOIN", "the condition on the table's name leaves out what has no landing day"),
        (
            "events: WHERE landing_days.table_name = 'products' -> nothing",
            "a day is complete: an event delivered four times",
        ),
        ("table_name = 'products' -> (landing_days.table_name <> 'products')", "as above, three times"),
    ),
    "stg_users_enhanced": (
        ("COALESCE(spend.total_spent, 0) -> spend.total_spent", "null reaches no threshold"),
        ("result.customer_tier: 0 -> 1", "nor does one"),
        ("FALSE) -> orders.status IN", "a condition that is null selects nothing"),
    ),
    "stg_products_enhanced": (("result: INNER JOIN ranked", "every product is ranked"),),
    "int_customer_metrics": (
        ("spending.total_spent: COALESCE", "the result has the same default"),
        ("NULLIF(spending.total_orders, 0) ->", "who is in `spending` has an order"),
    ),
    "int_product_analytics": (("sales: INNER JOIN", "the condition on product_id leaves out orders without items"),),
    "mart_daily_business_metrics": (("daily_orders.total_revenue: COALESCE", "the result has the same default"),),
    "mart_customer_tier_analytics": (
        ("histories: INNER JOIN", "who bought nothing has no date to be booked on"),
        ("registrations: INNER JOIN", "everyone has a state on the day of the registration"),
        ("purchase_days.revenue: COALESCE", "sums leave nulls out, and the result has the same default"),
        ("bookings: WHERE", "what ends on no date meets no day of the calendar"),
        (
            "daily.spent: COALESCE",
            "running sums leave nulls out, and before the first there are no members to divide by",
        ),
    ),
    "mart_product_performance": (
        ("ranked: LEFT JOIN stock", "every sale has its row in `stock`"),
        ("ranked: LEFT JOIN recent_units", "and in `recent_units`"),
    ),
    "mart_customer_analytics": (
        ("customers: INNER JOIN", "every user has metrics"),
        ("NULLIF(GREATEST(1,", "1 at least is never 0"),
    ),
}


@dataclass(frozen=True)
class Model:
    """A model as it was built: its table, its statement, and the models that are built of it, in their order."""

    name: str
    table: str
    sql: str
    behind: tuple[str, ...]

    @property
    def kept(self) -> str:
        """Where its rows are kept while mutants take its place."""
        return f"MUTANTS.{self.name}"


def models_of(settings: Settings) -> dict[str, Model]:
    """The models with the statements that dbt makes of them."""
    nodes = {node["name"]: node for node in load_manifest(DbtProject.of(settings))["nodes"].values()}
    with dbt_run(settings, DbtRequest(command="compile", full_refresh=True), "mutants") as run:
        for _ in run.events:
            pass
        statements = {path.stem: path.read_text() for path in (run.target / "compiled").rglob("*.sql")}
    return {name: Model(name, nodes[name]["relation_name"], statements[name], behind(name, nodes)) for name in MODELS}


def behind(name: str, nodes: dict[str, dict]) -> tuple[str, ...]:
    """The models that read this one, at once or by others, in the order in which they are built."""
    reached = {nodes[name]["unique_id"]}
    for other in MODELS:
        if reached & set(nodes[other]["depends_on"]["nodes"]):
            reached.add(nodes[other]["unique_id"])
    return tuple(other for other in MODELS if other != name and nodes[other]["unique_id"] in reached)


def rebuilt(connection: SnowflakeConnection, table: str, sql: str) -> None:
    execute(connection, f"create or replace table {table} as {sql}")


@dataclass
class Trial:
    """A history with its tests, and what they leave alive."""

    connection: SnowflakeConnection
    module: ModuleType
    models: dict[str, Model]

    def keep(self) -> None:
        execute(self.connection, "create schema if not exists MUTANTS")
        for model in self.models.values():
            rebuilt(self.connection, model.kept, f"select * from {model.table}")

    def survivors(self, model: Model, mutants: Sequence[Mutant], score: Score) -> tuple[Mutant, ...]:
        alive = tuple(mutant for mutant in mutants if not self._dies(model, mutant, score))
        for name in (model.name, *model.behind):
            rebuilt(self.connection, self.models[name].table, f"select * from {self.models[name].kept}")
        return alive

    def _dies(self, model: Model, mutant: Mutant, score: Score) -> bool:
        try:
            rebuilt(self.connection, model.table, mutant.sql)
            for name in model.behind:
                rebuilt(self.connection, self.models[name].table, self.models[name].sql)
        except SnowflakeError:
            score.failed.append(mutant.what)
            return True
        judge = noticed(self.module, {"warehouse": self.connection})
        score.killed += judge
        return judge


@pytest.fixture(scope="module")
def scores(transformation_settings: Settings) -> dict[str, Score]:
    """What became of each model's mutants, after both histories."""
    score_of = {name: Score(name) for name in MODELS}
    with built(transformation_settings, test_definitions.DAYS):
        models = models_of(transformation_settings)
    alive = {name: mutants(model.sql) for name, model in models.items()}
    for module, meanwhile in ((test_money, half_a_day), (test_definitions, lambda _: None)):
        with built(transformation_settings, module.DAYS, meanwhile) as connection:
            trial = Trial(connection, module, models)
            trial.keep()
            assert not noticed(module, {"warehouse": connection}), f"{module.__name__} fails before anything is mutated"
            for name, model in models.items():
                alive[name] = trial.survivors(model, alive[name], score_of[name])
            execute(connection, "drop schema MUTANTS cascade")
    for name, score in score_of.items():
        same = [part for part, _ in SAME.get(name, ())]
        score.survivors = [item.what for item in alive[name] if not any(part in item.what for part in same)]
        score.same = len(alive[name]) - len(score.survivors)
        written(score)
    return score_of


@pytest.mark.parametrize("name", MODELS)
def test_every_mistake_in_money_is_noticed(name: str, scores: dict[str, Score]) -> None:
    score = scores[name]
    assert score.killed
    assert not score.survivors, "\n".join(score.survivors)
