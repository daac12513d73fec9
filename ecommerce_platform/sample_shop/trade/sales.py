"""The shop's orders: who buys what and when, what it costs, and how an order moves on.

What belongs here: the orders and their lines as they are. What does not: the change events of them (order_events.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecommerce_platform.sample_shop.chance import between, generator, skewed
from ecommerce_platform.sample_shop.clock import (
    DAY,
    HOUR,
    MINUTE,
    NEVER,
    SECOND,
    Ints,
    Mask,
    Window,
    counts_by_day,
    times_on_days,
)
from ecommerce_platform.sample_shop.events import NULL
from ecommerce_platform.sample_shop.plan import DirtPlan, ShopPlan, share_of
from ecommerce_platform.sample_shop.trade.catalog import Catalog
from ecommerce_platform.sample_shop.trade.people import People

#: Orders and lines of the real shop began long before; keys start here.
FIRST_ORDER_KEY = 10_001
FIRST_LINE_KEY = 50_001

_OLDEST = 240 * DAY
_LINES = ([1, 2, 3, 4, 5, 6], [0.38, 0.29, 0.17, 0.09, 0.05, 0.02])
_PIECES = ([1, 2, 3, 4], [0.78, 0.15, 0.05, 0.02])
_LAPSED_BEFORE = 190 * DAY
_NEW_CUSTOMER_SHARE = 0.08
_INSTANT_SHARE = 0.06
_UNPAID_SHARE = 0.03
_CANCELLED_SHARE = 0.06
_CORRECTED_SHARE = 0.01
_DELETED_SHARE = 0.004
_COUPON_SHARE = 0.18
_FREE_SHIPPING_FROM = 5000
_SHIPPING = 495


@dataclass(frozen=True)
class Moves:
    """When each order reaches a state (NEVER if it does not).

    `instant` orders are paid in the transaction that writes them; `corrected` is when the first line got one piece more.
    """

    created: Ints
    instant: Mask
    corrected: Ints
    processing: Ints
    shipped: Ints
    delivered: Ints
    cancelled: Ints
    deleted: Ints
    restored: Ints


@dataclass(frozen=True)
class Sales:
    """All orders in the order of their creation (key = position + FIRST_ORDER_KEY) and their lines, order by order.

    Money in cents. `total` is before a correction; `user` and `product` hold keys; `address` is the position of the user
    whose address it is, or NULL. `returned` marks orders that end in an unknown status.
    """

    moves: Moves
    user: Ints
    total: Ints
    address: Ints
    returned: Mask
    first_line: Ints
    line_order: Ints
    product: Ints
    pieces: Ints
    price: Ints
    dirt: dict[str, int]


def simulate_sales(plan: ShopPlan, dirt: DirtPlan, window: Window, people: People, catalog: Catalog) -> Sales:
    """Draws all orders of the shop, the ones before the first day first."""
    rng = generator(plan.seed, "orders")
    counts = counts_by_day(window, plan.orders_per_day, rng)
    # Most are weeks old, a few are months old.
    age = (rng.exponential(50 * DAY, plan.orders_before) % _OLDEST).astype(np.int64)
    created = np.concatenate([np.sort(window.start - age - HOUR), times_on_days(window, counts, rng)])
    buyer = _buyers(created, window, people, rng)
    sales = _with_lines(created, buyer, window, catalog, generator(plan.seed, "lines"))
    return _with_dirt(sales, dirt, window, people, catalog, generator(plan.seed, "order dirt"))


def _buyers(created: Ints, window: Window, people: People, rng: np.random.Generator) -> Ints:
    """Position of each order's user: few buy often; a share of the orders is by someone who registered that day."""
    known = np.maximum(1, np.searchsorted(people.registered, created, side="right"))
    returning = _without_lapsed(skewed(known, rng), known, created < window.start - _LAPSED_BEFORE, people.old)
    known_at_midnight = np.searchsorted(people.registered, created // DAY * DAY)
    newcomers = known - known_at_midnight
    newcomer = known_at_midnight + np.floor(newcomers * rng.random(len(created))).astype(np.int64)
    chosen = (rng.random(len(created)) < _NEW_CUSTOMER_SHARE) & (newcomers > 0) & (created >= window.start)
    return np.where(chosen, newcomer, returning)


def _without_lapsed(position: Ints, known: Ints, long_ago: Mask, old: int) -> Ints:
    """Lets one in eleven of the old users be a customer of long ago: they bought then, and only they, and not since."""
    lapsed = position // 11 * 11 + 5
    position = np.where(long_ago & (lapsed < np.minimum(known, old)), lapsed, position)
    stays_away = ~long_ago & (position % 11 == 5) & (position < old)
    return position - stays_away


def _with_lines(created: Ints, buyer: Ints, window: Window, catalog: Catalog, rng: np.random.Generator) -> Sales:
    """Gives every order its lines, its total and its way."""
    orders = len(created)
    lines = rng.choice(_LINES[0], orders, p=_LINES[1])
    first_line = np.cumsum(lines) - lines
    line_order = np.repeat(np.arange(orders), lines)
    offered = np.maximum(1, np.searchsorted(catalog.entered, created, side="right"))[line_order]
    product = skewed(offered, rng)
    price = catalog.price_at(product, created[line_order])
    coupon = rng.random(len(line_order)) < _COUPON_SHARE
    price = np.where(coupon, price * rng.integers(70, 96, len(line_order)) // 100, price)
    pieces = rng.choice(_PIECES[0], len(line_order), p=_PIECES[1])
    goods = np.add.reduceat(price * pieces, first_line)
    return Sales(
        moves=_moves(created, window, rng),
        user=buyer + 1,
        total=goods + np.where(goods < _FREE_SHIPPING_FROM, _SHIPPING, 0),
        address=buyer,
        returned=np.zeros(orders, dtype=bool),
        first_line=first_line,
        line_order=line_order,
        product=product + 1,
        pieces=pieces,
        price=price,
        dirt={},
    )


def _moves(created: Ints, window: Window, rng: np.random.Generator) -> Moves:
    """Paid within hours, shipped the next day or so, delivered days later; some are cancelled, some stay unpaid."""
    orders = len(created)
    kind = rng.random(orders)
    instant = rng.random(orders) < _INSTANT_SHARE
    unpaid = (kind < _UNPAID_SHARE) & ~instant
    cancelled_early = (kind >= _UNPAID_SHARE) & (kind < _UNPAID_SHARE + _CANCELLED_SHARE / 2) & ~instant
    cancelled_late = (kind >= 1 - _CANCELLED_SHARE / 2) & ~unpaid
    processing = np.where(instant, created, created + between(5 * MINUTE, 9 * HOUR, orders, rng))
    shipped = processing + between(8 * HOUR, 40 * HOUR, orders, rng)
    delivered = shipped + between(20 * HOUR, 90 * HOUR, orders, rng)
    cancelled = np.full(orders, NEVER)
    cancelled[cancelled_early] = created[cancelled_early] + between(4 * MINUTE, HOUR, int(cancelled_early.sum()), rng)
    cancelled[cancelled_late] = processing[cancelled_late] + between(MINUTE, 7 * HOUR, int(cancelled_late.sum()), rng)
    corrected = np.full(orders, NEVER)
    slow = np.flatnonzero(~instant & (created >= window.start))
    chosen = rng.choice(slow, share_of(_CORRECTED_SHARE, len(slow)), replace=False)
    corrected[chosen] = created[chosen] + between(30 * SECOND, 200 * SECOND, len(chosen), rng)
    deleted, restored = _deletions(created, window, rng)
    return Moves(
        created=created,
        instant=instant,
        corrected=corrected,
        processing=np.where(unpaid | cancelled_early, NEVER, processing),
        shipped=np.where(unpaid | (cancelled != NEVER), NEVER, shipped),
        delivered=np.where(unpaid | (cancelled != NEVER), NEVER, delivered),
        cancelled=cancelled,
        deleted=deleted,
        restored=restored,
    )


def _deletions(created: Ints, window: Window, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """When orders are deleted with their lines, and when the first tenth of those comes back from the backup."""
    deleted = np.full(len(created), NEVER)
    restored = np.full(len(created), NEVER)
    # Not older than a few days, and early enough to be deleted before the sample ends.
    young = np.flatnonzero((created >= window.start - 3 * DAY) & (created < window.end - 6 * HOUR))
    chosen = rng.choice(young, share_of(_DELETED_SHARE, len(young)), replace=False)
    earliest = np.maximum(created[chosen], window.start) + HOUR
    latest = np.minimum(earliest + 3 * DAY, window.end - 2 * HOUR)
    deleted[chosen] = between(earliest, latest, len(chosen), rng)
    back = chosen[: -(-len(chosen) // 10)]
    restored[back] = deleted[back] + 15 * MINUTE
    return deleted, restored


def _with_dirt(
    sales: Sales, dirt: DirtPlan, window: Window, people: People, catalog: Catalog, rng: np.random.Generator
) -> Sales:
    """The same orders with the business dirt: each kind on orders (or lines) of its own."""
    orders, lines = len(sales.user), len(sales.product)
    due = {
        "missing_addresses": dirt.missing_addresses,
        "negative_amounts": dirt.negative_amounts,
        "orders_of_unknown_users": dirt.orders_of_unknown_users,
    }
    shuffled = rng.permutation(orders)
    chosen: dict[str, Ints] = {}
    for kind, share in due.items():
        chosen[kind], shuffled = np.split(shuffled, [min(len(shuffled), share_of(share, orders))])
    returnable = np.flatnonzero(sales.moves.delivered < np.minimum(sales.moves.deleted, window.end))
    chosen["unknown_statuses"] = rng.choice(returnable, share_of(dirt.unknown_statuses, len(returnable)), replace=False)
    stray = rng.choice(lines, share_of(dirt.items_of_unknown_products, lines), replace=False)
    address, total, user = sales.address.copy(), sales.total.copy(), sales.user.copy()
    address[chosen["missing_addresses"]] = NULL
    total[chosen["negative_amounts"]] *= -1
    unknown_buyers = chosen["orders_of_unknown_users"]
    user[unknown_buyers] = people.unknown_key + np.arange(len(unknown_buyers))
    returned = sales.returned.copy()
    returned[chosen["unknown_statuses"]] = True
    product = sales.product.copy()
    product[stray] = catalog.unknown_key + np.arange(len(stray)) % 7
    counts = {kind: len(index) for kind, index in chosen.items()} | {"items_of_unknown_products": len(stray)}
    return replace(sales, address=address, total=total, user=user, returned=returned, product=product, dirt=counts)
