"""The cheapest transport between few places, in integers: no tolerance and no rounding."""

from __future__ import annotations

import math

import numpy as np

from lwdstats.arrays import FloatArray


def cheapest_plan(cost: FloatArray, given: FloatArray, taken: FloatArray) -> FloatArray:
    """Return the plan (B, B) of least cost with sums of rows and columns `given` and `taken`, (B,).

    Where these differ in sum by rounding, what is over stays where it is. All numbers are
    finite, and none is negative.

    Notes
    -----
    Successive shortest paths (Ahuja, Magnanti and Orlin, Network Flows, 9.7). A solver that
    works to a tolerance takes what is cheap beside the dearest cost, or small beside the largest
    weight, for nothing, and the root of that is not small. Floats are integers times a power of 2,
    and Python's integers have any length.
    """
    size = len(given)
    prices = _integers(cost.ravel())[0]
    price = [prices[start : start + size] for start in range(0, size * size, size)]
    amounts, power = _integers(np.concatenate([given, taken]))
    over, lacking = amounts[:size], amounts[size:]
    plan = [[0] * size for _ in range(size)]
    # No price is below what its row and column are worth together, and in the plan it is that.
    rows, columns = [min(each) for each in price], [0] * size
    for start in range(size):
        while over[start] and any(lacking):
            path = _shortest_path(start, price, plan, lacking, rows, columns)
            back = [(row, column) for (row, _), (_, column) in zip(path[1:], path, strict=False)]
            amount = min(over[start], lacking[path[-1][1]], *(plan[r][c] for r, c in back))
            for row, column in path:
                plan[row][column] += amount
            for row, column in back:
                plan[row][column] -= amount
            over[start] -= amount
            lacking[path[-1][1]] -= amount
    return np.array([[_number(amount, power) for amount in row] for row in plan])


def _integers(values: FloatArray) -> tuple[list[int], int]:
    """Return numbers as integers times ``2**power``, exactly, and the power."""
    parts, powers = np.frexp(values)
    least = int(powers[parts != 0].min(initial=0)) - 53
    whole = (parts * 2.0**53).astype(np.int64).tolist()
    return [w << max(p - 53 - least, 0) for w, p in zip(whole, powers.tolist(), strict=True)], least


def _number(whole: int, power: int) -> float:
    """Return ``whole * 2**power``, also where the integer alone is beyond the floats."""
    beyond = max(whole.bit_length() - 64, 0)
    return math.ldexp(whole >> beyond, power + beyond)


def _shortest_path(
    start: int, price: list[list[int]], plan: list[list[int]], lacking: list[int],
    rows: list[int], columns: list[int],
) -> list[tuple[int, int]]:  # fmt: skip
    """Return the cheapest way from a row to a column that lacks something: its places of the plan.

    From each column but the last, the way goes back along what the plan has of it in the next
    row. What rows and columns are worth changes as Dijkstra's distances say.
    """
    size = len(price)
    reached = {start: (0, -1)}  # how far each row is, and by which column
    far = [p - rows[start] - columns[c] for c, p in enumerate(price[start])]
    by = [start] * size
    open_columns = set(range(size))
    while True:
        end = min(open_columns, key=far.__getitem__)
        open_columns.remove(end)
        if lacking[end]:
            break
        for row in range(size):
            if not plan[row][end] or row in reached:
                continue
            reached[row] = far[end], end
            shift = far[end] - rows[row]
            for column in open_columns:
                length = shift + price[row][column] - columns[column]
                if length < far[column]:
                    far[column], by[column] = length, row
    for row, (length, _) in reached.items():
        rows[row] += far[end] - length
    for column in set(range(size)) - open_columns:
        columns[column] -= far[end] - far[column]
    path, column = [], end
    while column >= 0:
        path.append((by[column], column))
        column = reached[by[column]][1]
    return path[::-1]
