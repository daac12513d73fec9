"""Benchmarks: the platform beside what people would use instead, in one run on the machine at hand."""
