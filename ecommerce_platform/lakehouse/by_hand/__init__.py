"""What people look at and decide: quarantined rows, unknown columns, refused days.

What belongs here: inspection, and the publication or removal of a refused day. What does not: the commands (commands/).
"""
