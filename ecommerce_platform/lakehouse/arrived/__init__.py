"""What lies in landing for a day, seen without writing: files, content ids, drafts of contracts, unreadable files.

What belongs here: looking at landing files, and their removal after their time. What does not: noticing that they came (landing).
"""
