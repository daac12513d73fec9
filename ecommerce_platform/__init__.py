"""The batch analytics layer of an e-commerce company, as Dagster assets. The front door is `definitions.py`."""

__version__ = "0.1.0"
