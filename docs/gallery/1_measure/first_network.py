"""
A first network, and its norm
=============================

Three mixtures read half of all posts and post what they have become. Does ||D||_F, the size of
the matrix of distances between them, go to 0?
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.simulate_gmm(replicates=10, seed=1)
print(lwd.summary(ds))

# %%
# One line a run, the mean of all, and below it the diversity of the network. Distances fall to 0,
# diversity stays: the models grow alike, and nothing collapses.

lwd.plot_norm(ds)
plt.show()
