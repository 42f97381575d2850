"""Flag files: every line is a flag, a comment or blank, wherever one stands."""

import pytest
from absl import app, flags
from conftest import ROOT

from tf_supermask.errors import InputError
from tf_supermask.evidence import results
from tf_supermask.experiments import flag_files, flagfile, records
from tf_supermask.experiments.spec import Spec


@pytest.fixture
def values():
    its = flags.FlagValues()
    flag_files.define_flags(its)
    return its


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "line, message",
    [
        ("threshold=0.02", "'threshold=0.02' is neither a flag, --name=value, nor a comment"),
        ("-- threshold=0.02", "'-- threshold=0.02' is neither a flag"),
        ("--threshold = 0.02", "is neither a flag"),
        ("--threshold 0.02", "is neither a flag"),
        ("\u2013threshold=0.02", "is neither a flag"),
        ("---threshold=0.02", "is neither a flag"),
        ("--", "is neither a flag"),
        ("fcn", "'fcn' is neither a flag"),
        ("; a note", "is neither a flag"),
        ("--shuffle --augment", "'--shuffle --augment' has two flags; write each in a line of its own"),
        ("--epochs=3 --augment=true", "has two flags"),
        ("--experiment=x -epochs=3", "has two flags"),
        ("--threshold", "--threshold has no value: --threshold=..."),
        ("--nothreshold", "Unknown command line flag 'nothreshold'"),
        ("--colour=red", "Unknown command line flag 'colour'"),
        ("--seed=3", "Unknown command line flag 'seed'"),
        ("--undefok=colour", "Unknown command line flag 'undefok'"),
        ("--epochs=two", "flag --epochs=two: must be an integer, such as 30"),
        ("--epochs=", "flag --epochs=: must be an integer"),
        ("--shuffle=maybe", "flag --shuffle=maybe: Non-boolean argument to boolean flag: maybe"),
        ("--noshuffle=true", "Unknown command line flag 'noshuffle'"),
        ("--model=conv2", "--model is set twice, also in line 2"),
        ("--dataset=digits # small", "a comment needs a line of its own"),
        ("--dataset=digits // small", "a comment needs a line of its own"),
        ("--flagfile=nosuch.flags", "there is no nosuch.flags beside the file or below a folder above it"),
        ("--flagfile=", "--flagfile= is empty; name a file"),
        ("--flagfile=~no-such-user/x.flags", "there is no ~no-such-user/x.flags beside the file"),
        (b"# M\xfcller", "byte 0xfc is not UTF-8; save the file as UTF-8"),
        (b"--experiment=M\xfcller", "byte 0xfc is not UTF-8"),
    ],
)
def test_a_line_that_is_no_flag_is_named(tmp_path, values, line, message):
    line = line if isinstance(line, bytes) else line.encode()
    path = written(tmp_path / "bad.flags", b"# good\n--model=fcn\n\n" + line + b"\n--experiment=x\n")
    with pytest.raises(flags.Error) as error:
        flagfile.expanded(["command", f"--flagfile={path}"], values)
    assert str(error.value).startswith(f"{path}: ") and str(error.value).endswith("(line 4)")
    assert message in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"bad.flags: .*\(line 4\)$"):
        flag_files.read(path)


@pytest.mark.parametrize("name", ["shuffle", "noshuffle"])
def test_yes_and_no_of_one_flag_are_one_flag(tmp_path, values, name):
    path = written(tmp_path / "x.flags", f"--shuffle=false\n--{name}\n")
    with pytest.raises(flags.Error, match=r"--shuffle is set twice, also in line 1 \(line 2\)"):
        flagfile.read(path, values)


def test_what_a_flag_file_may_hold(tmp_path, values):
    content = (
        "\ufeff# ü, a comment \u2028 in one line\r\r\n  // another\r\n  --model=conv2  \r\n-noshuffle\r\n--augment"
    )
    path = written(tmp_path / "x.flags", content)
    found = flagfile.expanded(["c", f"-flagfile={path}", "--model", "fcn"], values)
    assert found == ["c", "--model=conv2", "-noshuffle", "--augment", "--model", "fcn"]
    assert [line.name for line in flagfile.read(path, values)] == ["model", "shuffle", "augment"]
    assert flagfile.expanded(["c", "--flagfile", str(path), "--", "--flagfile=x"], values)[-2:] == [
        "--",
        "--flagfile=x",
    ]
    values(found)
    assert (values["model"].value, values["shuffle"].value, values["augment"].value) == ("fcn", False, True)


@pytest.mark.parametrize("path", ["nosuch.flags", "."])
def test_a_file_that_cannot_be_read(values, path):
    with pytest.raises(flags.Error, match="^cannot read the flag file [^\n]*$"):
        flagfile.expanded(["c", f"--flagfile={path}"], values)


@pytest.mark.parametrize("arguments", [["--flagfile="], ["--flagfile", ""], ["--flagfile"]])
def test_a_flag_file_without_a_name(values, arguments):
    with pytest.raises(flags.Error, match="^--flagfile= is empty; name a file$"):
        flag_files.expanded(["c", *arguments], values)


def test_a_link_to_itself_is_one_line(tmp_path, values):
    link = tmp_path / "l.flags"
    link.symlink_to(link)
    with pytest.raises(flags.Error, match="^cannot read the flag file [^\n]*l.flags [^\n]*$"):
        flag_files.expanded(["c", f"--flagfile={link}"], values)
    with pytest.raises(InputError, match="^cannot read the flag file [^\n]*l.flags [^\n]*$"):
        flag_files.read(link)
    results.check_folder(link / "r", "paper")
    with pytest.raises(InputError, match="^cannot write to [^\n]*; give another --results_dir$"):
        records.prepare(records.Run(link / "r", "x", 0))


@pytest.mark.parametrize("line", ["--help", "--nohelp", "--helpfull", "--helpshort", "--helpxml"])
def test_help_is_for_the_command_line(tmp_path, values, line):
    path = written(tmp_path / "x.flags", f"--model=fcn\n{line}\n")
    for flag in (app.HelpFlag(), app.HelpshortFlag(), app.HelpfullFlag(), app.HelpXMLFlag()):
        flags.DEFINE_flag(flag, values)
    with pytest.raises(flags.Error, match=r"x.flags: --help\w* is for the command line; take it out.* \(line 2\)$"):
        flagfile.expanded(["command", f"--flagfile={path}"], values)


def test_files_include_files_from_anywhere(tmp_path, values, monkeypatch):
    written(tmp_path / "a" / "flags" / "_seeds.flags", "--seeds=0-4\n--flagfile=../other/_model.flags\n")
    written(tmp_path / "a" / "other" / "_model.flags", "--model=conv4\n")
    row = written(tmp_path / "a" / "flags" / "x.flags", "--flagfile=flags/_seeds.flags\n--seeds=0-1\n")
    for folder in (tmp_path, ROOT / "tests"):  # where there is no flags/_seeds.flags
        monkeypatch.chdir(folder)
        found = [line.argument for line in flagfile.read(row, values)]
        assert found == ["--seeds=0-4", "--model=conv4", "--seeds=0-1"]  # the last one counts
    mine = written(tmp_path / "mine.flags", "--flagfile=flags/_zhou.flags\n")  # of the papers
    assert [line.argument for line in flagfile.read(mine, values)] == ["--seeds=0-4"]
    written(tmp_path / "a" / "other" / "_model.flags", "--model=conv4\nstray\n")
    with pytest.raises(flags.Error, match=r"_model.flags: 'stray' is neither .* \(line 2\)"):
        flagfile.read(row, values)
    written(tmp_path / "a" / "other" / "_model.flags", "--flagfile=../flags/x.flags\n")
    with pytest.raises(flags.Error, match="x.flags includes itself"):
        flagfile.read(row, values)


def test_names_do_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    """Nor on flag files that happen to be there."""
    written(tmp_path / "flags" / "broken.flags", b"# \xff\nstray")
    written(tmp_path / "flags" / "a.flags", "--experiment=foreign\n--model=conv8\n")
    monkeypatch.chdir(tmp_path)
    assert flag_files.name_of(Spec.of(model="conv8")) == "koster_table12_conv8_signed_elus"
    path = ROOT / "flags" / "zhou_fig5_conv2.flags"
    (tmp_path / "link.flags").symlink_to(path)
    names = {its.name for its in flag_files.read(path)}
    assert {its.name for its in flag_files.read("link.flags")} == names
    monkeypatch.chdir(ROOT / "tests")
    assert {its.name for its in flag_files.read("../flags/zhou_fig5_conv2.flags")} == names


def test_a_draft_among_the_rows_is_no_error_until_it_is_named(tmp_path):
    written(tmp_path / "a.flags", "--experiment=a\n--epochs=zero\n")
    written(tmp_path / "b.flags", "--experiment=b\n--epochs=7\n")
    assert flag_files.row_of(Spec.of(epochs=7), tmp_path) == "b"
    with pytest.raises(InputError, match="a.flags: flag --epochs=zero"):
        flag_files.read_all(flag_files.rows(tmp_path))


def test_rows_may_set_how_they_run(tmp_path, values):
    a = written(tmp_path / "a.flags", "--experiment=a\n--epochs=7\n--jobs=2\n")
    b = written(tmp_path / "b.flags", "--experiment=b\n--jobs=2\n--results_dir=there\n")
    assert flag_files.run_arguments([a, b], values) == ["--jobs=2", "--results_dir=there"]
    written(b, "--experiment=b\n\n--jobs=3\n")
    with pytest.raises(InputError, match=r"b.flags: --jobs=3, but --jobs=2 in .*a.flags \(line 3\)"):
        flag_files.run_arguments([a, b], values)


CHAINS = ["--mode=lottery", "--rounds=2", "--criterion=random,movement"]


@pytest.mark.parametrize(
    "arguments, names",
    [
        (["--score_value=0,0.25, 0.5"], ["zhou_learned_fcn_0", "fcn_bernoulli_mnist_0.25", "fcn_bernoulli_mnist_0.5"]),
        (["--score_value=0.25"], ["fcn_bernoulli_mnist"]),
        (["--score_value=0.25,0.5", "--experiment=x"], ["x_0.25", "x_0.5"]),
        (["--weight_decay=0.25,0.5", "--experiment=x"], ["x_0.25", "x_0.5"]),
        (CHAINS, ["fcn_random_rewind_zero_mnist", "fcn_movement_rewind_zero_mnist"]),
    ],
)
def test_combinations_of_lists_have_names_of_their_own(values, arguments, names):
    values(["c", "--mode=bernoulli", *arguments, "--seeds=0,1"])
    found = flag_files.described(values)
    assert [its.name for its in found] == names and {len(its.specs) for its in found} == {2}


@pytest.mark.parametrize("experiment", [[], ["--experiment=x"]])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--mode=bernoulli", "--score_value=0.25,0.25"],
        ["--mode=bernoulli", "--score_value=0.25,.25"],
        ["--mode=lottery", "--criterion=random,movement,random"],
    ],
)
def test_a_value_that_is_listed_twice_is_refused(values, arguments, experiment):
    values(["c", *arguments, *experiment])
    with pytest.raises(InputError, match="two of the listed combinations are .*; list each value once"):
        flag_files.described(values)


def test_lists_of_flags_that_take_none_are_one_line(values):
    with pytest.raises(flags.Error, match="--threshold=.01,.02"):
        values(["c", "--threshold=.01,.02"])


def test_records_of_two_scales_never_share_a_folder(tmp_path, monkeypatch):
    for scale, (folder, _) in results.FOLDERS.items():
        results.check_folder(folder, scale)
        for base in (ROOT, tmp_path, ROOT / "tests"):
            monkeypatch.chdir(base)
            for other in results.FOLDERS.keys() - {scale}:
                for path in (ROOT / folder, folder, f"./{folder}/"):
                    if base != ROOT / "tests" or path == ROOT / folder:
                        with pytest.raises(InputError, match=f"is for records of scale {scale}, not {other}"):
                            results.check_folder(path, other)
    run = records.Run(tmp_path / "mine", "x", 0)
    (path,) = (ROOT / "results" / "reduced" / "koster_check_resnet20_signed_lr.3").glob("seed0.json")
    records.save(run, records.read(path))
    run.record.with_name("seed4.json").write_text("damaged")
    results.check_folder(tmp_path / "mine", "reduced")
    with pytest.raises(InputError, match="has records of scale reduced, not quick: .*x/seed0.json; give another"):
        results.check_folder(tmp_path / "mine", "quick")
