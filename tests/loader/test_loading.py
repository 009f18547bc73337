"""The loader as a trainer sees it: what an epoch holds, on whatever ranks and workers, and going on in its middle."""

import io
import json
import tarfile
import threading
from collections import Counter, UserDict

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from torch.utils.data import DataLoader

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.loader import MixLoader
from tests.loader.batches import all_same, loaders
from tests.loader.made import GRID, write_dataset

COUNTS = {"one": [23], "even": [16, 16, 16, 16], "odd": [31, 7, 1, 19, 12]}


@pytest.fixture(scope="module", params=COUNTS)
def dataset(request, tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp(request.param) / "dataset", COUNTS[request.param], seed=3)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("odd") / "dataset", COUNTS["odd"], seed=3)


def read(folder):
    """The members of all shards, by key and suffix, read with the standard library."""
    members = {}
    for shard in sorted((folder / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for info in tar:
                key, _, suffix = info.name.partition(".")
                members.setdefault(key, {})[suffix] = tar.extractfile(info).read()
    return members


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_ranks_together_see_every_sample_once_but_for_what_is_counted_as_left_out(dataset, world):
    ranks = loaders(dataset, world)
    for epoch in range(3):
        for rank in ranks:
            rank.set_epoch(epoch)
        read_by = [list(rank) for rank in ranks]
        assert {len(batches) for batches in read_by} == {len(ranks[0])}
        assert all(len(batch) == 4 for batches in read_by for batch in batches)
        seen = Counter(key for batches in read_by for batch in batches for key in batch.keys)
        assert set(seen.values()) == {1}
        assert len(read(dataset)) - len(seen) == ranks[0].left_out < 4 * world


@pytest.mark.parametrize("world", [1, 3])
def test_padding_shows_every_sample_and_marks_those_that_come_again(dataset, world):
    batches = [batch for rank in loaders(dataset, world, last="pad") for batch in rank]
    first = [k for b in batches for k, again in zip(b.keys, b.repeated.tolist(), strict=True) if not again]
    assert sorted(first) == sorted(read(dataset))
    assert len({len(rank) for rank in loaders(dataset, world, last="pad")}) == 1


def test_what_is_left_out_changes_from_epoch_to_epoch(odd):
    (loader,) = loaders(odd, 1, batch=16)
    assert loader.left_out > 0
    left_out = set()
    for epoch in range(6):
        loader.set_epoch(epoch)
        left_out.add(frozenset(read(odd)) - {key for batch in loader for key in batch.keys})
    assert len(left_out) > 3


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_batches_are_the_same_with_any_number_of_workers_and_threads(dataset, workers):
    alone = list(loaders(dataset, 2, threads=1)[1])
    through_workers = DataLoader(loaders(dataset, 2, threads=workers)[1], batch_size=None, num_workers=workers)
    together = list(through_workers)
    assert len(through_workers) == len(together)
    assert all_same(alone, together)


def test_workers_that_are_kept_see_the_next_epoch(odd):
    (loader,) = loaders(odd, 1)
    kept = DataLoader(loader, batch_size=None, num_workers=2, persistent_workers=True)
    for epoch in range(2):
        loader.set_epoch(epoch)
        (alone,) = loaders(odd, 1)
        alone.set_epoch(epoch)
        assert all_same(kept, alone)


def test_rows_are_the_shard_s_own_images_texts_and_maps(odd):
    members = read(odd)
    for batch in loaders(odd, 1)[0]:
        for row, key in enumerate(batch.keys):
            image = np.asarray(Image.open(io.BytesIO(members[key]["png"])))
            assert np.array_equal(batch.images[row, 0].numpy(), image)
            assert batch.original_texts[row] == members[key]["txt"].decode()
            if not batch.plan.active[row]:
                assert batch.plan.donor[row] == row
                assert batch.plan.lam[row] == 1
                assert batch.texts[row] == batch.original_texts[row]
                assert not batch.plan.donor_map[row].any()
                assert batch.labels[row] == json.loads(members[key]["json"])["labels"]
                continue
            told = {p["plan_id"]: p for p in json.loads(members[key]["json"])["plans"]}[batch.plan.plan_ids[row]]
            donor = batch.keys[batch.plan.donor[row]]
            assert donor == told["donor_id"]
            assert batch.texts[row] == told["edits"][0][2]
            assert batch.labels[row] == told["labels"]
            assert batch.plan.diseases[row] == told["disease"]
            for maps, of, index in (
                (batch.plan.donor_map, donor, told["donor_map"]),
                (batch.plan.host_map, key, told["host_map"]),
            ):
                stored = np.load(io.BytesIO(members[of]["attn.npy"]))
                assert np.array_equal(maps[row].numpy(), stored[index])
        assert batch.plan.donor_map.shape[1:] == GRID
        present = [
            [d for d, has in zip(loader_findings(odd), row, strict=True) if has] for row in batch.plan.findings.tolist()
        ]
        assert present == [sorted(d for d, a in labels.items() if a == "present") for labels in batch.labels]


def loader_findings(dataset):
    return MixLoader(dataset, 4).findings


def test_partners_share_a_batch_and_are_drawn_anew_in_each_epoch(odd):
    (loader,) = loaders(odd, 1)
    met = {}
    for epoch in range(8):
        loader.set_epoch(epoch)
        for batch in loader:
            for row in batch.plan.active.nonzero()[:, 0].tolist():
                met.setdefault(batch.keys[row], set()).add(batch.keys[batch.plan.donor[row]])
    assert np.mean([len(donors) for donors in met.values()]) > 3


def test_lambda_is_drawn_for_each_epoch_from_the_dataset_s_beta_or_is_the_plan_s_own(odd):
    (drawn,) = loaders(odd, 1)
    values = {}
    for epoch in range(30):
        drawn.set_epoch(epoch)
        for batch in drawn:
            for row in batch.plan.active.nonzero()[:, 0].tolist():
                values.setdefault(batch.plan.plan_ids[row], []).append(float(batch.plan.lam[row]))
    several = [v for plan in values.values() if len(plan) > 1 for v in plan]
    assert len(set(several)) == len(several)
    every = np.sort([v for plan in values.values() for v in plan])
    uniform = np.linspace(0, 1, len(every))  # Beta(1, 1)
    assert np.abs(every - uniform).max() < 1.63 / np.sqrt(len(every))  # Kolmogorov–Smirnov, 1 %
    (stored,) = loaders(odd, 1, lam="stored")
    assert {float(v) for batch in stored for v in batch.plan.lam[batch.plan.active]} == {0.25, 0.75}


def test_the_mixed_share_follows_its_schedule(odd):
    loader = MixLoader(odd, 4, mix=lambda epoch: min(1.0, epoch / 100), pool_shards=2)
    shares = {}
    for epoch in (0, 50, 100):
        loader.set_epoch(epoch)
        shares[epoch] = sum(int(batch.plan.active.sum()) for batch in loader)
    assert shares[0] == 0 < shares[50] < shares[100]


def test_validation_reads_in_order_and_mixes_nothing(odd):
    keys = [key for batch in MixLoader(odd, 5, mix=0, shuffle=False, last="pad") for key in batch.keys]
    assert keys[: len(read(odd))] == list(read(odd))
    with pytest.raises(UsageError, match="mix=0"):
        MixLoader(odd, 5, shuffle=False)


def test_samples_of_a_pool_s_shards_are_shuffled_together(tmp_path):
    dataset = write_dataset(tmp_path / "dataset", [40] * 4, sick=0.0)
    position = {key: i for i, key in enumerate(read(dataset))}
    wide = [position[key] for batch in MixLoader(dataset, 8, pool_shards=4) for key in batch.keys]
    displaced = np.abs(np.argsort(wide) - np.arange(160)).mean()
    assert displaced > 0.8 * 160 / 3  # what a shuffle of all 160 gives, a third of their number, nearly


def test_images_leave_normalised_or_resized_as_asked(odd):
    (plain,), (scaled,) = loaders(odd, 1), loaders(odd, 1, normalize=((0.5, 0.4, 0.3), (0.2, 0.2, 0.2)))
    (small,) = loaders(odd, 1, image_size=6)
    for raw, ready, little in zip(plain, scaled, small, strict=True):
        assert ready.images.shape == (4, 3, 12, 12)
        assert ready.images.dtype == torch.float32
        expected = (raw.images.double() / 255 - torch.tensor([0.5, 0.4, 0.3]).reshape(3, 1, 1)) / 0.2
        assert torch.allclose(ready.images.double(), expected, atol=1e-6)
        assert little.images.shape == (4, 1, 6, 6)


def test_appended_texts_follow_the_originals_and_a_tokenizer_gets_all(odd):
    lengths = lambda texts: {"n": torch.tensor([len(t) for t in texts])}  # noqa: E731 - a tokenizer in a line
    for batch in loaders(odd, 1, texts="appended", tokenizer=lengths)[0]:
        active = batch.plan.active.nonzero()[:, 0].tolist()
        assert batch.texts[:4] == batch.original_texts
        assert len(batch.texts) == 4 + len(active)
        assert all("Mixed from" in text for text in batch.texts[4:])
        assert batch.tokens["n"].tolist() == [len(t) for t in batch.texts]


def asserted(findings, labels):
    """Which findings each text's labels assert, bool [B, D]."""
    return torch.tensor([[told.get(finding) == "present" for finding in findings] for told in labels])


@pytest.mark.parametrize("which", ["mixed", "original", "appended"])
def test_labels_and_findings_are_those_of_the_texts_that_go_out(odd, which):
    members = {key: json.loads(member["json"]) for key, member in read(odd).items()}
    (loader,) = loaders(odd, 1, texts=which)
    differing = 0
    for batch in loader:
        own = [members[key]["labels"] for key in batch.keys]
        plans = {plan["plan_id"]: plan["labels"] for key in batch.keys for plan in members[key]["plans"]}
        mixed = [plans.get(plan, told) for plan, told in zip(batch.plan.plan_ids, own, strict=True)]
        appended = [plans[plan] for plan in batch.plan.plan_ids if plan]
        assert batch.labels == {"mixed": mixed, "original": own, "appended": own + appended}[which]
        assert torch.equal(batch.plan.findings, asserted(loader.findings, own if which == "original" else mixed))
        if which == "appended":
            assert torch.equal(batch.plan.appended().findings, asserted(loader.findings, batch.labels))
        differing += own != mixed
    assert differing > 3


def test_a_tokenizer_that_gives_no_names_is_told(odd):
    (loader,) = loaders(odd, 1, tokenizer=lambda texts: torch.zeros(len(texts)))
    with pytest.raises(UsageError, match=r"the tokenizer gives a Tensor, where names are needed: tokenizer=lambda"):
        next(iter(loader))


def test_whatever_a_tokenizer_gives_for_each_row_moves_with_it(odd):
    def told(texts):
        lengths = [len(text) for text in texts]
        return {"list": lengths, "tuple": tuple(lengths), "array": np.array(lengths), "tensor": torch.tensor(lengths)}

    for batch in loaders(odd, 1, tokenizer=told)[0]:
        moved = batch.reorder([3, 1, 0, 2])
        for name in batch.tokens:
            assert [int(n) for n in moved.tokens[name]] == [len(text) for text in moved.texts], name


@pytest.mark.parametrize("odd_one", [{"vocabulary": 30_522}, {"ids": [1, 2, 3]}, {"ids": iter([1, 2, 3, 4])}])
def test_what_a_tokenizer_gives_for_no_row_is_not_left_in_the_old_order(odd, odd_one):
    batch = next(iter(loaders(odd, 1, tokenizer=lambda _: odd_one)[0]))
    with pytest.raises(ValueError, match=r"tokens\['\w+'\] has not one row for each text"):
        batch.reorder([3, 1, 0, 2])


class Encoded(UserDict):
    """Gives what it holds as attributes as well, as what tokenizers of transformers give does."""

    def __getattr__(self, name):
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(name) from None


def test_what_a_tokenizer_gives_stays_of_its_kind_when_the_batch_moves(odd):
    (loader,) = loaders(odd, 1, tokenizer=lambda texts: Encoded(ids=torch.ones(len(texts)), names=texts))
    batch = next(iter(loader))
    moved = batch.to("meta")
    assert moved.tokens.ids.device.type == moved.images.device.type == "meta"
    assert moved.tokens.names == batch.texts
    assert batch.tokens.ids.device.type == "cpu"


def test_another_default_device_leaves_batches_on_the_cpu(odd):
    (plain,) = loaders(odd, 1)
    with torch.device("meta"):
        (other,) = loaders(odd, 1)
        other.set_epoch(3)
        batches = [batch.reorder([3, 1, 0, 2]) for batch in other]
    plain.set_epoch(3)
    expected = list(plain)
    assert all_same(batches, [batch.reorder([3, 1, 0, 2]) for batch in expected])
    assert all_same(DataLoader(other, batch_size=None, num_workers=1), expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_where_nothing_can_be_pinned_batches_come_all_the_same(odd, monkeypatch, workers):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    (loader,), (plain,) = loaders(odd, 1, pin_memory=True), loaders(odd, 1)
    assert all_same(DataLoader(loader, batch_size=None, num_workers=workers), plain)


def test_workers_pin_nothing(odd, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    (loader,), (plain,) = loaders(odd, 1, pin_memory=True), loaders(odd, 1)
    assert all_same(DataLoader(loader, batch_size=None, num_workers=1, multiprocessing_context="fork"), plain)


def test_a_loader_that_was_made_before_its_process_had_a_rank_is_told(odd, monkeypatch):
    early, (told,) = MixLoader(odd, 4), loaders(odd, 1)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    with pytest.raises(UsageError, match=r"made for rank 0 of 1, .* this is rank 1 of 2: make the loader after init"):
        iter(early)
    assert len(list(told)) == len(told)
    assert len(list(MixLoader(odd, 4))) == len(early) // 2


def test_leaving_an_epoch_early_ends_the_loader_s_threads(odd):
    before = set(threading.enumerate())
    for _ in range(5):
        for _batch in loaders(odd, 1)[0]:
            break
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(timeout=20)
    assert not [thread for thread in left if thread.is_alive()]


def test_too_few_samples_for_a_batch_on_every_rank_are_told(tmp_path):
    dataset = write_dataset(tmp_path / "dataset", [5])
    with pytest.raises(UsageError, match="5 samples do not fill a batch of 3 on each of 2 ranks"):
        MixLoader(dataset, 3, rank=0, world_size=2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"last": "keep"}, "last must be one of drop, pad"),
        ({"texts": "both"}, "texts must be one of"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"image_size": 0}, "image_size must be at least 1"),
        ({"image_size": (6, 6)}, "image_size must be a whole number"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"seed": "one"}, "seed must be a whole number"),
        ({"mix": 1.5}, r"mix must be in \[0, 1\]"),
        ({"alpha": -1}, "alpha must be positive"),
        ({"alpha": [0.4]}, "alpha must be positive"),
        ({"mix": "half"}, r"mix must be in \[0, 1\], not 'half'"),
        ({"mix": lambda epoch: None}, r"mix must be in \[0, 1\], not None"),
        ({"normalize": 0.5}, "normalize must be"),
        ({"normalize": (0.5,)}, "normalize must be"),
        ({"normalize": ([0.5, 0.5, 0.5], [0.5, 0.5])}, "normalize must be"),
        ({"normalize": (0.5, 0)}, "normalize must be .* std above 0"),
        ({"rank": 0}, "give both rank and world_size"),
        ({"rank": "0", "world_size": 2}, "rank must be a whole number"),
        ({"rank": 2, "world_size": 2}, "rank 2 is not one of 2"),
    ],
)
def test_an_argument_that_does_not_fit_is_told(odd, options, told):
    with pytest.raises(UsageError, match=told):
        MixLoader(odd, **{"batch_size": 4, **options})


def test_numbers_of_numpy_do_as_well_as_python_s(odd):
    (plain,) = loaders(odd, 1)
    numbers = {"batch_size": np.int64(4), "seed": np.int64(9), "pool_shards": np.int32(2), "pool_bytes": 1e9}
    assert all_same(MixLoader(odd, **numbers, mix=np.float32(1)), plain)


def test_reading_an_epoch_twice_without_set_epoch_is_warned_of(odd):
    (loader,) = loaders(odd, 1)
    list(loader)
    with pytest.warns(UserWarning, match="call set_epoch before each epoch"):
        list(loader)


def test_what_is_shown_of_a_batch_in_a_log_or_a_traceback_is_its_size_and_no_report(odd):
    [batch] = [b for b in MixLoader(odd, 8, mix=1.0) if b.plan.active.any()][:1]
    mixed = int(batch.plan.active.sum())
    assert repr(batch) == f"<MixBatch of 8 rows, {mixed} of them mixed, images uint8 {list(batch.images.shape)}>"
    assert repr(batch.plan) == f"<MixPlan of 8 rows, {mixed} of them mixed>"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_dataloader_that_would_make_batches_of_batches_is_told_what_to_give_it(odd, workers):
    with pytest.raises(UsageError, match=r"whole batches, of 4: DataLoader\(loader, batch_size=None\)"):
        next(iter(DataLoader(MixLoader(odd, 4), batch_size=2, num_workers=workers)))
