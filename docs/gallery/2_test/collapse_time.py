"""
When is it over?
================

The first time from which ||D||_F stays below a threshold, as a Kaplan-Meier curve: runs that
never get there are censored and count.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.read_results("../../../data/gmm_networks.nc")
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for threshold in (0.2, 0.1):
    when = lwd.collapse_time(ds, threshold)
    print(when, end="\n\n")
    lwd.plot(when, ax=ax)
ax.set_title("||D||_F not yet below .2 (left) and .1")
plt.show()
