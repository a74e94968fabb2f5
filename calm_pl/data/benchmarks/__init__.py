"""The benchmarks, one file each: where its files are, what it asks, how its lists are read. Floor 2."""
