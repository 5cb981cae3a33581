"""llama.cpp's server in a process of its own, which ends with the one that started it.

Run as a file. Reads settings of `xllamacpp.CommonParams` as a line of JSON, and says where
the server listens, and what it runs on, in another.
"""

import importlib
import json
import os
import sys


def main() -> None:
    """Serve until the input ends."""
    # It has no types.
    xllamacpp = importlib.import_module("xllamacpp")
    told = json.loads(sys.stdin.readline())
    params = xllamacpp.CommonParams()
    params.model.path = told.pop("path")
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = told.pop("threads")
    for name, value in told.items():
        setattr(params, name, value)
    server = xllamacpp.Server(params)
    others = [one["name"] for one in xllamacpp.get_device_info() if one["name"] != "CPU"]
    said = {
        "address": server.listening_address.removeprefix("http://"),
        "device": others[0] if others else "cpu",
        "system": xllamacpp.get_system_info().strip(" |"),
    }
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    # At once, whatever it is writing.
    os._exit(0)


if __name__ == "__main__":
    main()
