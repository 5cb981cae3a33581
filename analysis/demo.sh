#!/bin/sh
# What `make demo` runs: both networks at a size for two cores, and figures 2 to 6.
set -eu
BIN=${BIN:-.venv/bin}
RESULTS=${RESULTS:-results}
mkdir -p "$RESULTS"

say() { printf '\n== %s\n\n' "$1"; }

say "Gaussian mixtures, B = 2, five replicates (figures 4 and 5)"
"$BIN/lwdstats" simulate gmm --replicates 5 --seed 1 --output "$RESULTS/gmm2.nc"

say "Gaussian mixtures, B = 11 (figure 6)"
"$BIN/lwdstats" simulate gmm --n-components 11 --seed 1 --output "$RESULTS/gmm11.nc"

say "Three language models on a web of 20 posts (figures 2 and 3)"
"$BIN/lwdstats" simulate llm data/bitcoin_network.toml --replicates 1 --n-steps 8 --n-responses 8 \
    --seed 1 --output "$RESULTS/llm.nc"

say "Figures"
"$BIN/python" analysis/figure2.py "$RESULTS/llm.nc" "$RESULTS"
"$BIN/python" analysis/figure3.py "$RESULTS/llm.nc" "$RESULTS"
"$BIN/python" analysis/figure4.py "$RESULTS/gmm2.nc" "$RESULTS"
"$BIN/python" analysis/figure5.py "$RESULTS/gmm2.nc" "$RESULTS"
"$BIN/python" analysis/figure6.py "$RESULTS/gmm11.nc" "$RESULTS"

say "Done. Results (netCDF) and pictures (PNG) are in $RESULTS/"
