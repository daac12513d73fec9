"""Reports for people: a page a business date, and one that shows how all dates converge.

What belongs here: gathering what a page shows (data.py), words (wording.py), plots (plots.py), pages (render.py), where they lie
(publish.py). What does not: verdicts, and anything that is decided by looking at a page.
"""
