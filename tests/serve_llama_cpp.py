"""Runs llama.cpp's server on a free port of loopback until its input ends; prints its address.

Takes settings of `xllamacpp.CommonParams` as JSON, with `path` for the model, and `embeds`.
"""

import json
import sys

import xllamacpp

options = json.loads(sys.argv[1])
params = xllamacpp.CommonParams()
params.model.path, params.port, params.cpuparams.n_threads = options.pop("path"), 0, 1
if options.pop("embeds", False):
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
for name, value in options.items():
    setattr(params, name, value)
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)  # noqa: T201
sys.stdin.read()
