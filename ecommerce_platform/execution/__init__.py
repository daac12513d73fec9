"""How runs and their steps are executed.

What belongs here: the executor (resuming, side_by_side), a run's days (partitions), which runs count as on their way
(unfinished_runs), a step's error in plain words (plain_steps), how a resource keeps the settings (settings_resource), and how a
process ends (ending). What does not: which jobs there are and when they are launched (operations), and how a step with Spark is
launched (spark/launchers).
"""
