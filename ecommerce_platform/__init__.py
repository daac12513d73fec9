"""The batch analytics layer of an e-commerce company, as Dagster assets. The front door is `definitions.py`."""

import warnings

__version__ = "0.1.0"

# The Snowflake connector carries a copy of requests that does not know the pinned, newer charset library and says so at every
# import, to everyone who runs a command. It works; the tests go through it.
warnings.filterwarnings("ignore", message=r".*doesn't match a supported version")

# Dagster reads a selection such as `group:marts` with a parameter of its own that it calls beta, and says so to whoever selects.
warnings.filterwarnings("ignore", message=r"Parameter `include_sources` of function `AssetSelection\.")
