"""A seeded shop that writes change events like those of a real one, dirt included, and a speed layer with planted faults.

What belongs here: making data for demonstrations, tests and measurements. What does not: reading them back, servers, Dagster.
"""

from ecommerce_platform.sample_shop.generate import FAULTS_FILE, generate_sample
from ecommerce_platform.sample_shop.plan import DirtPlan, FaultPlan, SampleError, ShopPlan
from ecommerce_platform.sample_shop.report import MetricEffect, PlantedFault, SampleReport

__all__ = [
    "FAULTS_FILE",
    "DirtPlan",
    "FaultPlan",
    "MetricEffect",
    "PlantedFault",
    "SampleError",
    "SampleReport",
    "ShopPlan",
    "generate_sample",
]
