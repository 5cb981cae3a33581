"""Figure 3: every answer in the plane of classical scaling, at t = 1 and t = T."""

from figures import write_figure

import lwdstats as lwd

if __name__ == "__main__":
    write_figure(
        "figure3", str(__doc__), "data/bitcoin_network.nc", lambda ds: lwd.plot_answers(ds)[0]
    )
