"""What is written inside is hidden, also by code that writes to descriptors, and shown when something fails."""

import os

import pytest

from tf_supermask.silence import hidden


def test_descriptors_are_hidden_and_come_back(capfd):
    with hidden(1, 2):
        os.write(1, b"out")
        os.write(2, b"err")
    os.write(1, b"after")
    assert capfd.readouterr() == ("after", "")


@pytest.mark.parametrize("show", [True, False])
def test_what_was_hidden_is_shown_if_an_exception_is_raised(show, capfd):
    with pytest.raises(KeyError), hidden(2, show=show):
        os.write(2, b"the reason")
        raise KeyError
    assert capfd.readouterr().err == "the reason" * show
