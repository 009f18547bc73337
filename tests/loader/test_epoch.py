"""An epoch's arithmetic: what ranks and pools hold of the shards."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.loader.epochs.epoch import EpochLayout

EITHER = st.booleans()


@st.composite
def layouts(draw, pad=EITHER):
    counts = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=8)))
    order = tuple(draw(st.permutations(range(len(counts)))))
    batch, world, pool = draw(st.integers(1, 9)), draw(st.integers(1, 5)), draw(st.integers(1, 6))
    return EpochLayout(order, counts, batch, world, pool, draw(pad))


def pieces_of(layout):
    return [
        (rank, pool, piece)
        for rank in range(layout.world)
        for pool in range(layout.pools)
        for piece in layout.pool_pieces(rank, pool)
    ]


@given(layouts(pad=st.just(False)))
def test_no_two_ranks_or_pools_hold_the_same_run_of_a_shard(layout):
    runs = [(piece.shard, piece.index) for _, _, piece in pieces_of(layout)]
    assert len(set(runs)) == len(runs)


@given(layouts())
def test_everyone_cuts_a_shard_alike_and_the_cuts_cover_it(layout):
    cuts = {}
    for _, _, piece in pieces_of(layout):
        assert cuts.setdefault(piece.shard, piece.sizes) == piece.sizes
    assert all(sum(sizes) == layout.counts[shard] and min(sizes) > 0 for shard, sizes in cuts.items())


@given(layouts())
def test_a_pool_holds_exactly_its_batches(layout):
    held = Counter()
    for rank, pool, piece in pieces_of(layout):
        held[rank, pool] += piece.sizes[piece.index]
    for (_, pool), samples in held.items():
        batches = min(layout.pool, layout.batches - pool * layout.pool)
        assert samples == batches * layout.batch


@given(layouts(pad=st.just(False)))
def test_what_is_left_out_is_less_than_a_batch_of_every_rank(layout):
    seen = sum(piece.sizes[piece.index] for _, _, piece in pieces_of(layout))
    assert layout.total - seen == layout.left_out < layout.batch * layout.world


@given(layouts(pad=st.just(True)))
def test_padding_shows_every_sample_and_marks_what_comes_again(layout):
    first = [(p.shard, p.index, p.sizes) for _, _, p in pieces_of(layout) if not p.repeats]
    assert len(set(first)) == len(first)
    assert sum(sizes[index] for _, index, sizes in first) == layout.total
    again = sum(p.sizes[p.index] for _, _, p in pieces_of(layout) if p.repeats)
    assert again < layout.batch * layout.world
