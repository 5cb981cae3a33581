"""
Ten thousand models
===================

The Gaussian engine draws a whole step of a model at once, at a cost that does not grow with t. Of
a network that the exact engine can still do, it says the same. The more models there are the more
each reads, and the less chance moves them apart.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for n in (100, 10_000):
    ds = lwd.simulate_gmm(n, 5, n_steps=200, engine="gaussian", record=5, seed=1)
    per_model = lwd.fnorm(ds).squeeze() / n
    ax.plot(ds["time"][1:], per_model[1:], label=f"{n:,} models, Gaussian engine")
ds = lwd.simulate_gmm(100, 5, n_steps=60, record=[1, 2, 5, 10, 20, 40, 60], seed=1)
ax.plot(ds["time"], lwd.fnorm(ds).squeeze() / 100, "o", label="100 models, every draw")
ax.set(xlabel="time t", ylabel="||D||_F / n", xscale="log", yscale="log")
ax.legend()
plt.show()
