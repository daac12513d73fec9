"""RECONCILIATION.*: its tables, its rows, and whose turn it is to write them.

What belongs here: reading and writing what reconciliations stored. What does not: deciding what is stored (verdicts).
"""
