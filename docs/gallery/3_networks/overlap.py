"""
When components overlap
=======================

A point between two components tells less about which of them it came from, and models learn more
slowly from it. How much is left of a difference after one step, by the distance of the means.
"""

import matplotlib.pyplot as plt
import numpy as np

import lwdstats as lwd

weights = [0.4, 0.6]
gaps = np.linspace(0.5, 6, 12)
linear = [
    lwd.overlap_decay(weights, [-g / 2, g / 2], n_retrieved=20, complexity=0).factor for g in gaps
]

fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
ax.plot(gaps, linear, label="theory")
for gap in (1, 2, 3, 4.5, 6):
    ds = lwd.simulate_gmm(
        means=[-gap / 2, gap / 2],
        initial_weights=[[0.3, 0.7], [0.4, 0.6], [0.5, 0.5]],
        initial_points=np.random.default_rng(1).normal(
            np.repeat([-gap / 2, gap / 2], [400, 600]), 1, size=1000
        ),
        beta=0.02,
        complexity=0,
        n_steps=1,
        replicates=400,
        seed=1,
    )
    before, after = ds["weight"].transpose("time", "replicate", "model", "component").values
    step = lwd.measured_decay(before, after)
    ax.errorbar(gap, step.factor, 2 * step.std_error, fmt="o", color="C1")
ax.axhline(lwd.decay_factor(20, 1 / 20), color="grey", linestyle=":", label="no overlap")
ax.set(xlabel="distance of the means, in standard deviations", ylabel="left of a difference")
ax.legend()
plt.show()
