"""Models share a device by turns: what they say does not depend on who had to leave."""

import functools
import gc
import itertools
import json
import math
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lwdstats as lwd
from lwdstats.simulate.models.local import costs, memory, residency
from lwdstats.simulate.models.local import transformers as local
from lwdstats.simulate.models.local.compact import hold_compactly
from lwdstats.simulate.models.local.residency import DeviceMemoryError, Residency, Weights
from lwdstats.simulate.models.local.transformers import TransformersModel
from lwdstats.simulate.models.protocol import Prompt, Sampling

POSTS = tuple(lwd.load_posts()["text"][:3])
PROMPT = Prompt(POSTS, "What will Bitcoin cost?")
SAMPLING = Sampling(max_new_tokens=6)


class Tokenizers:
    from_pretrained = functools.cache(local.AutoTokenizer.from_pretrained)


class Budget:
    """A device that has room for `limit` bytes of weights, and counts what is read."""

    def __init__(self, monkeypatch, limit=math.inf):
        self.limit, self.read = limit, []
        self.residency = Residency(self.free)
        monkeypatch.setattr(residency, "SHARED", self.residency)
        read = local._read

        def counted(folder, *arguments):
            self.read.append(folder.name)
            return read(folder, *arguments)

        monkeypatch.setattr(local, "_read", counted)
        # Reading a large vocabulary takes longer than all else here.
        monkeypatch.setattr(local, "AutoTokenizer", Tokenizers)
        # Weights then take as much as reading them.
        monkeypatch.setattr(local, "hold_compactly", lambda module: None)

    def free(self, device):
        return self.limit - sum(one.n_bytes for one in self.residency.members if one.at == device)

    def loaded(self):
        return sorted(one.name for one in self.residency.members if one.at is not None)


@pytest.fixture
def budget(monkeypatch):
    # Models of other tests do not count here.
    return Budget(monkeypatch)


def answers(*models):
    return [
        model.generate(PROMPT, 2, seed=seed, sampling=SAMPLING)
        for seed, model in itertools.product((1, 2), models)
    ]


@pytest.fixture(scope="module")
def expected(third, tenth):
    return answers(third, tenth)


@pytest.mark.long
def test_where_all_fit_none_leaves(budget, expected, third_folder, tenth_folder):
    big, small = TransformersModel(third_folder), TransformersModel(tenth_folder)
    assert answers(big, small) == expected
    assert len(budget.read) == 2
    assert budget.loaded() == sorted([third_folder, tenth_folder])


@pytest.mark.long
def test_with_room_for_one_of_two_answers_are_the_same(
    budget, expected, third_folder, tenth_folder
):
    # Weights of 0.25 and 0.16 GB.
    budget.limit = 0.35e9
    big = TransformersModel(third_folder)
    before = {name: tensor.clone() for name, tensor in big.model.state_dict().items()}
    small = TransformersModel(tenth_folder)
    assert budget.loaded() == [tenth_folder]
    assert big.context_length == 8192
    assert big.count_tokens(PROMPT) > 10
    assert len(budget.read) == 2
    assert answers(big, small) == expected
    # Each of the four calls needed the other model away.
    assert len(budget.read) == 6
    after = big.model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert budget.loaded() == [third_folder]


def test_a_network_is_the_same_with_room_for_one_model(
    budget, third, tenth, third_folder, tenth_folder, minilm
):
    budget.limit = 0.35e9
    options = {
        "embedder": minilm,
        "n_steps": 1,
        "n_responses": 2,
        "max_new_tokens": 5,
        "seed": 4,
        "posts": list(POSTS),
    }
    tight = lwd.simulate_llm({"a": third_folder, "b": tenth_folder}, **options)
    wide = lwd.simulate_llm({"a": third, "b": tenth}, **options)
    assert (tight["text"] == wide["text"]).all()
    assert (tight["embedding"] == wide["embedding"]).all()
    assert len(budget.read) > 3


def test_a_model_that_does_not_fit_alone_is_refused_by_name(budget, third_folder):
    budget.limit = 0.2e9
    with pytest.raises(lwd.InputError, match=r"^models: .*third.* 0.255 GB .* 0.2 GB are free"):
        TransformersModel(third_folder)
    assert not budget.read


def test_answers_that_do_not_fit_are_refused_and_fewer_go_on(budget, expected, third_folder):
    big = TransformersModel(third_folder)
    budget.limit = 0.3e9
    with pytest.raises(DeviceMemoryError, match=r"third.*free with no other model.*fewer"):
        big.generate(PROMPT, 1000, seed=1, sampling=SAMPLING)
    assert big.generate(PROMPT, 2, seed=1, sampling=SAMPLING) == expected[0]


def test_running_out_of_memory_is_tried_once_more_alone(
    budget, expected, third_folder, tenth_folder, monkeypatch
):
    big, small = TransformersModel(third_folder), TransformersModel(tenth_folder)
    write, short = local.write, [True]

    def scarce(*arguments, **options):
        if short and short.pop():
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return write(*arguments, **options)

    monkeypatch.setattr(local, "write", scarce)
    assert budget.loaded() == sorted([third_folder, tenth_folder])
    assert big.generate(PROMPT, 2, seed=1, sampling=SAMPLING) == expected[0]
    assert budget.loaded() == [third_folder]
    short += [True, True]
    with pytest.raises(DeviceMemoryError, match=r"third.*no other model.*2 GiB.*smaller dtype"):
        big.generate(PROMPT, 2, seed=1, sampling=SAMPLING)
    assert small.generate(PROMPT, 2, seed=1, sampling=SAMPLING) == expected[1]

    def broken(*arguments, **options):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(local, "write", broken)
    with pytest.raises(RuntimeError, match=r"^shapes differ$"):
        big.generate(PROMPT, 2, seed=1, sampling=SAMPLING)


def test_a_model_that_nobody_has_leaves_room(budget, third_folder):
    budget.limit = 0.4e9
    big = TransformersModel(third_folder)
    del big
    gc.collect()
    assert not budget.loaded()
    TransformersModel(third_folder)
    assert len(budget.read) == 2


def test_a_model_whose_attention_is_not_ours_is_held_once(
    budget, monkeypatch, expected, third_folder
):
    budget.limit = 0.4e9
    monkeypatch.setattr(local, "sharing_agrees", lambda *arguments: False)
    plain = TransformersModel(third_folder)
    assert not plain.shares_prefix
    assert plain.model.config._attn_implementation == "sdpa"
    assert len(budget.read) == 2
    assert budget.loaded() == [third_folder]
    assert plain.generate(PROMPT, 2, seed=1, sampling=SAMPLING) == expected[0]


def test_size_is_known_before_weights_are_read(budget, third_folder, monkeypatch):
    held = sum(tensor.nbytes for tensor in TransformersModel(third_folder).model.parameters())
    folder = costs.files_of(third_folder)
    options = {"dtype": torch.float32, "trust_remote_code": False}
    assert local._expected_bytes(third_folder, folder, options) == held
    # From the configuration alone, as for a model that is still on the hub.
    monkeypatch.setattr(local, "files_of", lambda name: None)
    assert local._expected_bytes(third_folder, folder, options) == held


def test_compact_weights_take_less_but_not_while_they_are_read(
    budget, expected, third_folder, monkeypatch
):
    monkeypatch.setattr(local, "hold_compactly", hold_compactly)
    big = TransformersModel(third_folder)
    plain = big._weights.n_bytes_read
    held = {*big.model.parameters(), *big.model.buffers()}
    assert big._weights.n_bytes == sum(tensor.nbytes for tensor in held) < plain / 4
    # Answers need no more room than that, until other models have made it leave.
    budget.limit = plain / 2
    assert big.generate(PROMPT, 2, seed=1, sampling=SAMPLING) == expected[0]
    big._weights.leave()
    with pytest.raises(DeviceMemoryError, match=r"third.* needs 0.25\d GB"):
        big.generate(PROMPT, 2, seed=1, sampling=SAMPLING)


# Which weights leave, with modules of no size and any number of them.


class Module(torch.nn.Module):
    """Has the size and the moves of a model; the device is only a name."""

    def __init__(self):
        super().__init__()
        self.moves = []

    def to(self, device):
        self.moves.append(str(device))
        return self


GPU = torch.device("cuda", 0)


class Shelf:
    """Weights on a device of `limit` bytes, beside a host of `host` bytes."""

    def __init__(self, sizes, limit, host=0.0):
        self.read, self.limit, self.host = [0] * len(sizes), limit, host
        self.residency = Residency(self.free)
        self.sizes = {}
        self.members = [self.weights(i, size) for i, size in enumerate(sizes)]

    def weights(self, i, size):
        def read():
            self.read[i] += 1
            return Module()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(residency, "SHARED", self.residency)
            one = Weights(str(i), GPU, size, read)
        self.sizes[one] = size
        return one

    def free(self, device):
        held = sum(size for one, size in self.sizes.items() if one.at == device)
        return (self.limit if device == GPU else self.host) - held

    def claim(self, i, extra=0.0):
        one = self.members[i]
        # Modules without tensors measure nothing; the size that was expected is kept.
        one.n_bytes = self.sizes[one]
        return one.run(lambda module: module, extra)


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=30),
    st.integers(8, 20),
    st.sampled_from([0.0, residency._HOST_MARGIN + 6]),
)
def test_room_is_made_and_no_more(sizes, claims, limit, host):
    shelf = Shelf(sizes, limit, host)
    for i, extra in claims:
        i %= len(sizes)
        before = [one.at == GPU for one in shelf.members]
        module = shelf.claim(i, extra)
        assert shelf.members[i].at == GPU
        assert module is not None
        assert shelf.free(GPU) >= extra
        assert shelf.free(memory.HOST) >= 0
        left = [j for j, one in enumerate(shelf.members) if before[j] and one.at != GPU]
        # Had the last one to leave stayed, there would not have been room.
        assert not left or shelf.free(GPU) - max(sizes[j] for j in left) < extra
    if sum(sizes) + 3 <= limit:
        assert max(shelf.read) <= 1


def test_what_is_only_likely_to_be_needed_refuses_nothing():
    shelf = Shelf([4.0, 4.0], 10)
    shelf.claim(0)
    shelf.claim(1)
    assert shelf.members[1].run(lambda module: module, needed=1, spare=1) is not None
    assert [one.at for one in shelf.members] == [GPU, GPU]
    assert shelf.members[1].run(lambda module: module, needed=1, spare=99) is not None
    assert [one.at for one in shelf.members] == [None, GPU]
    with pytest.raises(DeviceMemoryError, match="'1' needs"):
        shelf.members[1].run(lambda module: module, needed=7)


def best_possible(sequence, room):
    """Loads of the schedule that knows the future (Belady 1966)."""
    held, loads = set(), 0
    for time, model in enumerate(sequence):
        if model in held:
            continue
        loads += 1
        if len(held) == room:
            ahead = sequence[time:]
            held.remove(max(held, key=lambda one: ahead.index(one) if one in ahead else len(ahead)))
        held.add(model)
    return loads


@pytest.mark.parametrize(("n", "room"), [(2, 1), (3, 2), (5, 4), (5, 2), (6, 6)])
def test_a_network_asked_there_and_back_loads_as_seldom_as_can_be(n, room):
    shelf = Shelf([1.0] * n, room)
    there = list(range(n))
    sequence = (there + there[::-1]) * 20
    for i in sequence:
        shelf.claim(i)
    assert sum(shelf.read) == best_possible(sequence, room)


def test_weights_leave_a_gpu_for_the_host_where_it_has_room():
    shelf = Shelf([4.0, 4.0], 5, host=residency._HOST_MARGIN + 4)
    first = shelf.claim(0)
    shelf.claim(1)
    assert shelf.members[0].at == memory.HOST
    assert shelf.claim(0) is first
    assert first.moves == ["cpu", "cuda:0"]
    # Now the host is lent to the second.
    assert shelf.members[1].at == memory.HOST
    assert shelf.read == [1, 1]
    shelf.host = 0
    shelf.claim(1)
    assert shelf.members[0].at is None
    shelf.claim(0)
    assert shelf.read == [2, 1]


def test_a_model_of_the_host_sends_parked_weights_back_to_their_files():
    shelf = Shelf([4.0, 4.0], 5, host=residency._HOST_MARGIN + 4)
    shelf.claim(0)
    shelf.claim(1)
    assert shelf.members[0].at == memory.HOST
    shelf.members[1].device = memory.HOST
    shelf.members[1].at = None
    shelf.host = 4
    shelf.claim(1)
    assert shelf.members[0].at is None


# Free memory and sizes, told from files.


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n"}
UNIFIED = {
    "proc/self/cgroup": "0::/box/job\n",
    "sys/fs/cgroup/box/memory.max": "5000000\n",
    "sys/fs/cgroup/box/memory.current": "4500000\n",
    "sys/fs/cgroup/box/memory.stat": "anon 3\nactive_file 100\ninactive_file 200\n",
    "sys/fs/cgroup/box/job/memory.max": "max\n",
    "sys/fs/cgroup/box/job/memory.current": "1\n",
}
FIRST = {
    "proc/self/cgroup": "4:cpu:/x\n3:memory,hugetlb:/not/seen/here\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "2500000\n",
    "sys/fs/cgroup/memory/memory.stat": "total_active_file 7\ntotal_inactive_file 30\n",
}


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, math.inf),
        (MEMINFO, 8000 * 1024),
        (MEMINFO | UNIFIED, 500_300),
        (MEMINFO | FIRST, 500_037),
        (MEMINFO | FIRST | {"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63}"}, 8000 * 1024),
    ],
    ids=["unknown", "no groups", "version 2", "version 1", "no limit"],
)
def test_free_memory_of_the_host(tmp_path, files, free):
    assert memory.host_memory(tree(tmp_path, files)) == free


def test_free_memory_here_is_some():
    free = memory.free_memory(torch.device("cpu"))
    assert 1e6 < free < 1e15
    assert memory.free_memory(torch.device("meta")) == math.inf


def write_safetensors(path, **tensors):
    header = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]}
        for name, (dtype, shape) in tensors.items()
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)


def test_bytes_of_weights_from_the_headers(tmp_path):
    assert math.isnan(costs.weight_bytes(tmp_path, 2))
    write_safetensors(tmp_path / "part-1.safetensors", a=("F32", [3, 5]), b=("BF16", [2]))
    # Packed weights stay packed.
    write_safetensors(tmp_path / "part-2.safetensors", c=("I32", [10]), d=("U8", [7]))
    assert costs.weight_bytes(tmp_path, 2) == 2 * 17 + 4 * 10 + 7
    # Another copy of the same weights, which the index does not name.
    write_safetensors(tmp_path / "consolidated.safetensors", a=("F32", [1000]))
    index = {"weight_map": {"a": "part-1.safetensors", "c": "part-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert costs.weight_bytes(tmp_path, 4) == 4 * 17 + 4 * 10 + 7
    (tmp_path / "part-2.safetensors").unlink()
    assert math.isnan(costs.weight_bytes(tmp_path, 4))
