import pytest
from absl import flags

from tf_supermask.errors import InputError
from tf_supermask.experiments import number_flags


@pytest.fixture
def values():
    values = flags.FlagValues()
    number_flags.define_integer("epochs", None, "", values)
    number_flags.define_integer("images", None, "", values, lower_bound=1)
    number_flags.define_float("threshold", 0.5, "", values, module_name="numbers")
    return values


def test_values(values):
    values(["command", "--epochs=0x10", "--threshold=1e-3", "--images=7"])
    assert (values.epochs, values.images, values.threshold) == (16, 7, 0.001)
    assert values["threshold"].serialize() == "--threshold=0.001" and "numbers" in values.flags_by_module_dict()


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--epochs=nan", "must be an integer, such as 30"),
        ("--epochs=1.5", "must be an integer"),
        ("--epochs=", "must be an integer"),
        ("--images=0", "0 is not a positive integer"),
        ("--threshold=.01,.02", "must be one number, such as 0.01"),
        ("--threshold=a", "must be one number"),
        ("--threshold=1_0", "must be one number"),
        ("--threshold=\u0661", "must be one number"),
        ("--epochs=1_0", "must be an integer"),
        ("--epochs=0x1_0", "must be an integer"),
        ("--images=\u0661", "must be an integer"),
    ],
)
def test_what_is_no_number_is_said(values, flag, message):
    with pytest.raises(flags.Error) as error:
        values(["command", flag])
    assert str(error.value).startswith(f"flag {flag}: {message}")


def test_seeds():
    assert number_flags.parse_seeds("0-2,7, 1") == [0, 1, 2, 7]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "has no seeds to read"),
        ("1_0", "has no seeds to read"),
        ("\u0661", "has no seeds to read"),
        ("3-1", "counts backwards"),
        ("0-1000000000", "at most 100,000"),
        ("99999999999", "below 2.31"),
    ],
)
def test_bad_seeds(text, message):
    with pytest.raises(InputError, match=message):
        number_flags.parse_seeds(text)
