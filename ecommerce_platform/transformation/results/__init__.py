"""The models' tables, read after a build: two engines compared, restated figures, snapshot rows that disagree.

What belongs here: questions to built tables. What does not: building them (builds).
"""
