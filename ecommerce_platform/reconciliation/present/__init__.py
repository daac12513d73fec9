"""Reconciliations for people: a page a business date, one that shows how all dates converge, a report in words, an order's story.

What belongs here: gathering what a page shows (data.py), words (wording.py), plots (plots.py), pages (render.py), where they lie
(publish.py), text and JSON (report.py, story.py). What does not: verdicts, and anything that is decided by looking at a page.
"""
