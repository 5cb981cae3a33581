"""
Has the network collapsed?
==========================

Given what they read at each time, do the models still answer from different distributions?
Distances between their answers, filled where the test finds a difference.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.read_results("../../../data/bitcoin_network.nc")
test = lwd.collapse_test(ds, [0, 4, 8, 12, 16, 20, 24], permutations=499, seed=1)
print(test)

# %%
# How far they are apart goes up and down with the prompts; told apart they are at each of these
# times.

lwd.plot(test)
plt.show()
