"""
A ring, two cliques and a star
==============================

Who reads whom decides which differences last: the share of ||D||_F^2 that lies between two sides.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

setting = {
    "n_models": 6,
    "initial_weights": [[0.8, 0.2]] * 3 + [[0.2, 0.8]] * 3,
    "initial_points": [-5.0] * 10 + [5.0] * 10,
    "n_steps": 200,
    "beta": 0.1,
}
readers = {"ring": "ring", "cliques": ("blocks", 2, 0.1), "star": "star"}
sides = ["left"] * 3 + ["right"] * 3

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for name, who in readers.items():
    ds = lwd.simulate_gmm(**setting, scenario={"readers": who}, replicates=40, record=4, seed=2)
    (lwd.fnorm(ds) ** 2).mean("replicate").plot(ax=axes[0], label=name)
    between = lwd.polarization(ds, sides) ** 2
    share = between.mean("replicate") / (lwd.fnorm(ds) ** 2).mean("replicate")
    share.plot(ax=axes[1])
axes[0].set(yscale="log", ylabel="mean ||D||_F^2", title="")
axes[1].set(ylim=(0, 1.05), ylabel="share between the sides", title="")
axes[0].legend()
plt.show()
