"""Room 5: the dbt project as assets, its tests as asset checks.

What belongs here: running dbt, what a run may apply and has applied, dbt's view of the contracts. What does not: the models
themselves (dbt_project/), loading raw (warehouse), comparing with the speed layer (reconciliation).
"""
