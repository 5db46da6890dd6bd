"""Side-by-side benchmarks: `make bench` prints ratios measured in one run, because machines are noisy."""
