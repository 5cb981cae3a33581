"""Is the noise of a baseline as the limits of charts take it to be?"""

from __future__ import annotations

from scipy.stats import combine_pvalues, shapiro

from lwdstats.arrays import FloatArray

# Noise that is not as limits take it is told of where p is at most this.
_LEAST_P = 0.01


def noise_notes(left: list[FloatArray], ranks: bool, ar: bool, name: str) -> list[str]:
    """Return what there is to say of what is left of baselines (m,), one a replicate.

    `ranks` tells that scores are by rank, which ask for no law, `ar` that an AR(1) was taken out.
    p of replicates are combined by Fisher's method.
    """
    notes = []
    normal = float(combine_pvalues([shapiro(base).pvalue for base in left]).pvalue)
    if not ranks and normal <= _LEAST_P:
        notes.append(
            f"the noise of {name} in the baseline is not normal (Shapiro-Wilk p = {normal:.2g}), "
            "as limits take it to be; scores='rank' with 'ewma' or 'cusum' asks for no law"
        )
    of_box = float(combine_pvalues([_box(base, ar) for base in left]).pvalue)
    if of_box <= _LEAST_P:
        what = "correlated beyond an AR(1)" if ar else "correlated over time"
        takes = "chart fewer times, farther apart" if ar else "autocorrelation='ar1' takes it out"
        notes.append(
            f"the noise of {name} in the baseline is {what} (Ljung-Box p = {of_box:.2g}), "
            f"as limits do not take it to be: {takes}"
        )
    return notes


def _box(base: FloatArray, ar: bool) -> float:
    """Return p of Ljung and Box's test of what is left of a baseline (m,)."""
    # Slow to import.
    from statsmodels.stats.diagnostic import acorr_ljungbox

    lags = max(3, min(10, len(base) // 5))
    return float(acorr_ljungbox(base, lags=[lags], model_df=int(ar))["lb_pvalue"].iloc[0])
