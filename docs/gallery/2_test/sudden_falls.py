"""
Sudden falls beside a smooth decay
==================================

A power law explains most of a curve. What it does not explain, all at once, is a change: here at
t = 60, made by a network whose readers change from cliques to all.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

first = [[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3
ds = lwd.simulate_gmm(
    6,
    initial_weights=first,
    n_responses=10,
    n_steps=120,
    replicates=3,
    scenario={"readers": {0: ("blocks", 2), 60: "complete"}},
    seed=1,
)
found = lwd.changepoints(ds, seed=1)
print(found)

lwd.plot(found)
plt.show()
