"""Marks of deviations in code."""

from tf_supermask.evidence import deviations

CODE = '''
"""First.

%(mark)sthe file
does this. %(mark)sand that.
"""


def plain():
    return 1  # %(mark)sat the end of a line


# Before. %(mark)sover two
# lines.
TABLE = 1


class Outer:
    def method(self):
        """About. %(mark)sone line."""
        # not part of it
        return 2

    def other(self):
        """About.

        %(mark)sa paragraph
        of two lines.

        Something else.
        """
'''


def test_deviations_are_collected_whole_with_their_place(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "code.py").write_text(CODE % {"mark": deviations.MARK})
    (tmp_path / "none.py").write_text("x = 1\n")
    assert [tuple(its) for its in deviations.collect(tmp_path)] == [
        ("sub/code.py", "", "the file does this."),
        ("sub/code.py", "", "and that."),
        ("sub/code.py", "plain", "at the end of a line"),
        ("sub/code.py", "", "over two lines."),
        ("sub/code.py", "Outer.method", "one line."),
        ("sub/code.py", "Outer.other", "a paragraph of two lines."),
    ]
