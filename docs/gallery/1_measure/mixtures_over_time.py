"""
Densities that grow alike
=========================

The mixtures themselves, at first and later, in one of the runs.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.simulate_gmm(4, 2, n_steps=100, replicates=3, seed=4)
lwd.plot_mixtures(ds, times=[0, 5, 100], replicate=0)
plt.show()

# %%
# The same as numbers: the distances between the four models.

d = lwd.dist(ds).sel(replicate=0)
for time in (0, 5, 100):
    print(f"t = {time}")
    print(d.sel(time=time).to_pandas().round(3), end="\n\n")
