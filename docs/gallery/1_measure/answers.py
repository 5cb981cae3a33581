"""
Answers of language models in a plane
=====================================

Three small language models, at the sizes of the paper: 40 answers a model and step, 60 steps.
Embedded answers, one point each, in the two directions in which they vary most.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.read_results("../../../data/paper_sizes.nc")
lwd.plot_answers(ds, times=[0, 20, 60])
plt.show()

# %%
# At the end there are a few heaps of points: models repeat themselves. What they say most:

last = ds["text"].isel(time=-1, replicate=0, query=0)
for model in last["model"].values:
    said = last.sel(model=model).to_series().value_counts()
    print(f"{model}, {said.iloc[0]} of 40:\n    {said.index[0]}")
