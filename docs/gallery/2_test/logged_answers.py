"""
Your own answers: from a table to a test
========================================

Answers that were logged elsewhere, one row each, become a dataset, and everything runs on it. The
embedder is yours; here words are weighed by how rare they are (tf-idf).
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer

import lwdstats as lwd

# A log for the sake of the example: two models with words of their own, which mix in time.
rng = np.random.default_rng(1)
own = {"left": ["rise", "growth", "trust", "strong"], "right": ["fall", "doubt", "risk", "weak"]}
both = own["left"] + own["right"]
log = pd.DataFrame(
    {"time": time, "model": model, "text": " ".join(rng.choice(said, 6))}
    for time in range(6)
    for model, mine in own.items()
    for _ in range(25)
    for said in [both if rng.random() < time / 5 else mine]
)
print(log.groupby("model").head(2))

# %%
# One call makes the dataset, another tests at each time whether the two are told apart, with p
# adjusted for all six times.

tfidf = TfidfVectorizer().fit(log["text"])
ds = lwd.as_results(log, embedder=lambda texts: tfidf.transform(texts).toarray())
test = lwd.collapse_test(ds, seed=1)
print(test)
lwd.plot(test)
plt.show()
