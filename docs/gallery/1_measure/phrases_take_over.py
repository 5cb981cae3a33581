"""
One phrase takes over
=====================

Which phrases spread through a network, and who said them first? Words are counted, nothing is
embedded.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.read_results("../../../data/bitcoin_network.nc")
found = lwd.phrases(ds, top=4)
print(found)

# %%
# The share of answers that hold each phrase, by replicate.

lwd.plot(found)
plt.show()
