"""
Theory beside simulation
========================

Where components do not overlap, E||D||_F^2 is known without a run, and so is a bound that the
norm stays below with a stated probability.
"""

import matplotlib.pyplot as plt
import numpy as np

import lwdstats as lwd

first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
web = {"initial_points": [-5.0] * 10 + [5.0] * 10, "n_steps": 100}
ds = lwd.simulate_gmm(initial_weights=first, **web, replicates=200, seed=1)
norm = lwd.fnorm(ds)
expected = lwd.expected_sq_norm(first, **web)
bound = lwd.norm_bound(first, **web, level=0.95)

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
ax.plot(norm["time"], norm.transpose("time", ...)[:, :40], color="0.8", linewidth=0.6)
ax.plot(
    norm["time"], np.sqrt((norm**2).mean("replicate")), ".", label="root mean square of 200 runs"
)
ax.plot(np.sqrt(expected), label="exact")
ax.plot(bound.tidy()["time"], bound.tidy()["bound"], "--", label="95% stay below, at each time")
ax.set(xlabel="time t", ylabel="||D||_F", yscale="log")
ax.legend()
plt.show()
