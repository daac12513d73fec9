"""Where a step that uses Spark runs: in the Dagster process, in a spark-submit process of its own, or in pods.

What belongs here: starting such a step elsewhere, bringing back its events and logs while it runs, and saying in words why it
failed. What does not: what the step does, which is the same wherever it runs.
"""
