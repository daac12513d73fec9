"""The words of the shop: names, streets, goods, and how texts are put together from them without a loop over rows.

What belongs here: word lists and Arrow text building. What does not: who gets which text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

#: As it is shown, and as it is written in an address of electronic mail.
FIRST_NAMES = (
    ("Anna", "anna"), ("José", "jose"), ("Mia", "mia"), ("Łukasz", "lukasz"), ("Zoë", "zoe"), ("Omar", "omar"),
    ("Ingrid", "ingrid"), ("Chen", "chen"), ("Priya", "priya"), ("Tom", "tom"), ("Grace", "grace"), ("Noah", "noah"),
    ("Sofía", "sofia"), ("Ivan", "ivan"), ("Yuki", "yuki"), ("Amara", "amara"), ("Liam", "liam"), ("Emma", "emma"),
    ("Björn", "bjorn"), ("Fatima", "fatima"), ("Paul", "paul"), ("Nina", "nina"), ("Kofi", "kofi"), ("Elif", "elif"),
)  # fmt: skip
LAST_NAMES = (
    ("Müller", "muller"), ("Garcia", "garcia"), ("O'Brien", "obrien"), ("Nowak", "nowak"), ("Tanaka", "tanaka"),
    ("Smith", "smith"), ("Dubois", "dubois"), ("Rossi", "rossi"), ("van Dijk", "van.dijk"), ("Sørensen", "sorensen"),
    ("Silva", "silva"), ("Khan", "khan"), ("Petrov", "petrov"), ("Okafor", "okafor"), ("Lindqvist", "lindqvist"),
    ("Brown", "brown"), ("Yılmaz", "yilmaz"), ("Kim", "kim"), ("Novák", "novak"), ("Jones", "jones"),
)  # fmt: skip
DOMAINS = ("example.com", "example.org", "mail.example.net", "post.example.co.uk")
STREETS = (
    "Oak Street", "Mill Lane", "Station Road", "Rue de la Paix", "Lindenweg", "Via Roma", "Calle Mayor", "Kirkegata",
    "High Street", "Park Avenue", "Am Markt", "Church Road",
)  # fmt: skip
CITIES = (
    "Leeds", "Lyon", "Köln", "Torino", "Sevilla", "Bergen", "Kraków", "Gent", "Porto", "Aarhus", "Graz", "Cork",
)  # fmt: skip
#: Category, and its goods.
CATALOG = (
    ("books", ("Novel", "Atlas", "Cookbook", "Picture Book", "Field Guide")),
    ("electronics", ("Headphones", "Keyboard", "Desk Lamp", "Power Bank", "Speaker")),
    ("garden", ("Watering Can", "Trowel", "Bird Feeder", "Lantern", "Plant Pot")),
    ("home", ("Blanket", "Mug", "Wall Clock", "Cushion", "Storage Box")),
    ("sports", ("Yoga Mat", "Skipping Rope", "Water Bottle", "Backpack", "Jersey")),
    ("toys", ("Puzzle", "Wooden Train", "Building Blocks", "Kite", "Board Game")),
)
ADJECTIVES = ("Classic", "Small", "Large", "Blue", "Light", "Sturdy", "Folding", "Quiet", "Bright", "Plain", "Warm")

STATUSES = ("pending", "processing", "shipped", "delivered", "cancelled")
PENDING, PROCESSING, SHIPPED, DELIVERED, CANCELLED = range(5)
#: What a tool beside the shop writes; no declared status.
UNKNOWN_STATUSES = ("returned", "on_hold")


def text(words: Sequence[str | None]) -> pa.StringArray:
    return pa.array(words, pa.string())


def pick(words: Sequence[str] | pa.StringArray, index: NDArray[np.integer]) -> pa.StringArray:
    """The words at the given positions."""
    pool = words if isinstance(words, pa.StringArray) else text(words)
    return pool.take(pa.array(index))


def numbers(values: NDArray[np.integer]) -> pa.StringArray:
    """Whole numbers as text."""
    return pc.cast(pa.array(values), pa.string())


def joined(separator: str, *parts: pa.StringArray | str) -> pa.StringArray:
    """Texts side by side with `separator` between them."""
    return pc.binary_join_element_wise(*parts, separator)


def concatenated(*arrays: pa.StringArray) -> pa.StringArray:
    """One pool after the other."""
    return pa.concat_arrays(arrays)
