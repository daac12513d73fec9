"""From the physical form of a landing file to typed change events: footers, dialects, values, calendars, epochs.

What belongs here: what one file, column or value is, as pure decisions and SQL. What does not: which files a day has (arrived),
and writing (ingest).
"""
