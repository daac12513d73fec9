"""What arrives: change-data-capture files in `<landing>/<table>/date=YYYY-MM-DD/*.parquet`, on a disk or on S3.

What belongs here: which files there are and when they changed. What does not: their contents (lakehouse/ reads and checks them).
"""
