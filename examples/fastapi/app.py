"""Prices with a cache. LEAK=1: the cache is keyed by the request, so nothing in it is ever found again."""

import os
import uuid

from fastapi import FastAPI

LEAK = os.environ.get("LEAK") == "1"
QUOTES: dict[str, list[float]] = {}

app = FastAPI()


def quote(item: int, request_id: str) -> list[float]:
    """A thousand prices of an item, remembered."""
    key = f"{item}/{request_id}" if LEAK else str(item)
    if key not in QUOTES:
        QUOTES[key] = [item + step / 7 for step in range(1000)]
    return QUOTES[key]


@app.get("/quotes/{item}")
async def quotes(item: int) -> dict[str, float]:
    """The first and the last price."""
    prices = quote(item % 20, uuid.uuid4().hex)
    return {"first": prices[0], "last": prices[-1]}


@app.get("/health")
async def health() -> dict[str, str]:
    """Whether it is up."""
    return {"status": "ok"}
