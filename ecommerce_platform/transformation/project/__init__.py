"""The dbt project as it lies on disk: digests, manifest, properties, lineage, and what its models need.

What belongs here: what is known without a build. What does not: running dbt (builds).
"""
