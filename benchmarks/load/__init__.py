"""What generating load costs, beside wrk, Locust and stock httpx, measured in the same run."""
