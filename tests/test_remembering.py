"""What is remembered of millions of numbers is what a dictionary would remember."""

from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.remembering import Remembered

NUMBERS = st.sampled_from([0, 1, 7, 2**32, 2**53 + 1, 2**63, 2**64 - 2, 2**64 - 1]) | st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(["train", "validate", "test"])), max_size=60), st.integers(1, 9))
def test_a_number_keeps_the_word_that_it_was_first_told_with(told, recent):
    remembered, dictionary = Remembered(recent), {}
    for number, word in told:
        assert remembered.before(number, word) == dictionary.get(number)
        dictionary.setdefault(number, word)
    for number, word in dictionary.items():
        assert remembered.before(number, "another") == word


def test_it_stays_small_however_many_there_are():
    remembered = Remembered(recent=100)
    for number in range(10_000):
        assert remembered.before(number * 7919) is None
    assert len(remembered._recent) < 100
    assert remembered._numbers.nbytes + remembered._codes.nbytes <= 9 * 10_000
    assert remembered.before(7919) == ""
