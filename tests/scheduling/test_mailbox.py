"""What is in the box of checkpoints, and how little its process imports."""

import commands

from tf_supermask.scheduling.mailbox import Mailbox


def test_a_box_keeps_the_last_files_of_running_jobs_and_gives_new_ones_once():
    box, files = Mailbox(), {"x/seed0.ckpt.npz": b"checkpoint"}
    assert box.last("x") == {} and box.take({"x"}) == {}
    box.put("x", {"x/seed0.ckpt.npz": b"older"})
    box.put("x", files)
    assert box.last("x") == files and box.take({"x", "y"}) == {"x": files} and box.take({"x", "y"}) == {}
    assert box.last("x") == files and box.take(set()) == {} and box.last("x") == {}


def test_its_process_imports_no_tensorflow():
    code = "import sys, tf_supermask.scheduling.mailbox; print({'tensorflow', 'keras', 'numpy'} & sys.modules.keys())"
    assert commands.run("-c", code, fresh=True).stdout == "set()\n"
