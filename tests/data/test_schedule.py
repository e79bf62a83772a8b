# SPDX-License-Identifier: Apache-2.0
"""Who reads which sample when: every rank the same number of batches, every sample at most once in an epoch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multishade.data.schedule import Schedule, allowed_workers, samples_by_stream
from multishade.errors import DataError


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    counts = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=6)))
    ranks = draw(st.integers(1, min(3, sum(counts))))
    return Schedule(
        counts=counts,
        seed=draw(st.integers(0, 2**40)),
        batch=draw(st.integers(1, sum(counts) // ranks)),
        ranks=ranks,
        run=draw(st.sampled_from([1, 2, 3, None])),
        streams=draw(st.integers(1, 6)),
        buffer=draw(st.integers(1, 8)),
        shuffled=draw(st.booleans()),
    )


@settings(max_examples=150, deadline=None)
@given(schedules(), st.integers(0, 3))
def test_an_epoch_deals_each_sample_at_most_once_and_equal_batches_to_every_rank(
    schedule: Schedule, epoch: int
) -> None:
    dealt = []
    for rank in range(schedule.ranks):
        streams = samples_by_stream(schedule, epoch, rank)
        sizes = [len(stream) for stream in streams]
        assert sum(sizes) == schedule.batches * schedule.batch
        assert all(size % schedule.batch == 0 for size in sizes)
        # Batch b comes from stream b mod L, so earlier streams are longer by at most one batch.
        assert sizes == sorted(sizes, reverse=True) and sizes[0] - sizes[-1] <= schedule.batch
        dealt += [int(index) for stream in streams for index in stream]
    assert len(set(dealt)) == len(dealt)
    assert set(dealt) <= set(range(sum(schedule.counts)))
    assert sum(schedule.counts) - len(dealt) < schedule.batch * schedule.ranks


@settings(max_examples=60, deadline=None)
@given(schedules())
def test_a_run_is_read_in_a_row(schedule: Schedule) -> None:
    order = schedule.reading_order(0)
    assert sorted(order) == list(range(sum(schedule.counts)))
    ends = np.cumsum(schedule.counts)
    shard = np.searchsorted(ends, order, side="right")
    if schedule.run is None:
        # Each shard is entered once.
        assert np.count_nonzero(np.diff(shard)) == len(schedule.counts) - 1
    breaks = np.count_nonzero(np.diff(order) != 1) + 1
    most = sum(-(-count // (schedule.run or count)) for count in schedule.counts)
    assert breaks <= most


def test_samples_left_out_of_one_epoch_come_in_another() -> None:
    schedule = Schedule(counts=(10,), seed=1, batch=4)
    seen = {
        int(index)
        for epoch in range(12)
        for stream in samples_by_stream(schedule, epoch, 0)
        for index in stream
    }
    assert seen == set(range(10))


def test_order_depends_on_seed_and_epoch_only() -> None:
    schedule = Schedule(counts=(40,), seed=1, batch=4)
    same, other = Schedule(counts=(40,), seed=1, batch=4), Schedule(counts=(40,), seed=2, batch=4)
    np.testing.assert_array_equal(schedule.reading_order(3), same.reading_order(3))
    assert not np.array_equal(schedule.reading_order(3), schedule.reading_order(4))
    assert not np.array_equal(schedule.reading_order(3), other.reading_order(3))


def test_buffer_mixes_whole_shards_within_itself() -> None:
    stream = Schedule(counts=(32,), seed=1, batch=4, run=None, streams=1, buffer=8).stream(
        np.arange(32), epoch=0, rank=0, number=0
    )
    for block in range(0, 32, 8):
        assert sorted(stream.output_order[block : block + 8]) == list(range(block, block + 8))
    assert not np.array_equal(stream.output_order, np.arange(32))


def test_too_few_samples_for_a_batch_on_every_rank_are_refused() -> None:
    with pytest.raises(DataError, match="7 samples do not fill a batch of 4 on each of 2 ranks"):
        Schedule(counts=(3, 4), seed=0, batch=4, ranks=2)


@pytest.mark.parametrize(
    ("run", "workers", "allowed"), [(1, 7, True), (None, 5, False), (None, 4, True), (8, 0, True)]
)
def test_workers_divide_the_streams_where_streams_are_read(
    run: int | None, workers: int, allowed: bool
) -> None:
    assert allowed_workers(Schedule((100,), 0, 2, run=run, streams=12), workers) is allowed
