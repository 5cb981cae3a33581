"""
Where models are: the data kernel perspective space
===================================================

Each model is one point at each time, and models that answer alike are near each other.
Coordinates are joint over time, so that ways can be followed.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.read_results("../../../data/bitcoin_network.nc").sel(replicate=[0])
space = lwd.dkps(ds, k=2)
lwd.plot(space)
plt.show()

# %%
# Where would each be if it gave answers without end? Regions allow for there being 16, at the
# last time.

lwd.plot(space, regions=True)
plt.show()
