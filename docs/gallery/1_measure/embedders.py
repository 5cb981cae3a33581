"""
Does a finding hang on the embedder?
====================================

The same answers by a second embedder, here one that counts words and needs no model.
"""

import matplotlib.pyplot as plt
from sklearn.feature_extraction.text import HashingVectorizer

import lwdstats as lwd

count = HashingVectorizer(n_features=500, alternate_sign=False).transform


def words(texts):
    """Return counts of words, scaled to length 1; END keeps an empty text from being 0."""
    return count([f"{text} END" for text in texts]).toarray()


ds = lwd.add_embedding(lwd.read_results("../../../data/bitcoin_network.nc"), words)

# %%
# Are models told apart at the end, whoever embeds? And do distances between them agree?


def told_apart(one):
    """Return what is to be compared, by name."""
    return lwd.collapse_test(one, 24, seed=1).table.loc[24, ["r2_adjusted", "p_value"]].to_dict()


print(lwd.robust_to_embedder(ds, told_apart, seed=1))

# %%
# Norms are in different units; relative to where they start they can be drawn together.

fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
for embedding, label in (("embedding", "MiniLM"), ("embedding_2", "words")):
    norm = lwd.fnorm(ds, embedding=embedding).mean("replicate")
    (norm / norm[0]).plot(ax=ax, label=label)
ax.set(ylabel="||D||_F, relative to t = 0", title="")
ax.legend()
plt.show()
