"""The least that Dagster can load: what the definitions' load time is held against."""

import dagster as dg

defs = dg.Definitions()
