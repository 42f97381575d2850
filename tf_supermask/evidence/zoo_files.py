"""The files of tf_supermask/zoo: the containers of committed runs, in the present version of the format, and their cards."""

import json
import pathlib

from tf_supermask import files
from tf_supermask.deploy import container, loading
from tf_supermask.deploy.container_format import ENDING
from tf_supermask.evidence.results import FOLDERS
from tf_supermask.experiments import records

FOLDER = "tf_supermask/zoo"
ENTRIES = {  # name in the zoo -> experiment of paper scale, seed: the first one, not the best
    "mnist_sinn1": ("koster_table15_fcn_sinn1", 0),
    "mnist_sinn2": ("koster_table15_fcn_sinn2", 0),
    "mnist_fcn": ("koster_table1_fcn_signed_elus", 0),
    "cifar10_conv2": ("koster_check_conv2_signed_shuffled", 0),
    "mnist_small16": ("zoo_mnist_small16", 0),
    "mnist_small16_sparse": ("zoo_mnist_small16_sparse", 0),
    "mnist_small16_sparsest": ("zoo_mnist_small16_sparsest", 0),
}


def experiments():
    """The names of all experiments of ENTRIES."""
    return {experiment for experiment, _ in ENTRIES.values()}


def made(evidence):
    """File name -> bytes of all files, of the entries whose runs an Evidence has; {} if it has none."""
    cards, contents = {}, {}
    for name, (experiment, seed) in ENTRIES.items():
        run = records.Run(evidence.folder, experiment, seed)
        if run.container.exists():
            content = container.renewed(loading.read(run.container))
            contents[f"{name}{ENDING}"], cards[name] = content, _card(run, records.parsed(run.record), len(content))
    text = json.dumps(cards, indent=1, sort_keys=True) + "\n"
    return contents | ({"cards.json": text.encode()} if cards else {})


def _card(run, record, size):
    return {
        "data": record["data"]["name"],
        "input_shape": record["data"]["input_shape"],
        "classes": record["data"]["classes"],
        "preprocess": record["spec"]["preprocess"],
        "test_accuracy": record["final"]["test_accuracy"],
        "weights": sum(row["counts"][0] + row["counts"][2] for row in record["layers"]),
        "of": sum(sum(row["counts"]) for row in record["layers"]),
        "bytes": size,
        "record": f"{FOLDERS['paper'][0]}/{run.experiment}/{run.record.name}",
        "command": f"python -m tf_supermask.main --flagfile=flags/{run.experiment}.flags --seeds={run.seed}",
        "commit": record["environment"]["commit"],
    }


def stale(folder, evidence):
    """Paths of the files below `folder`, that of the checkout, that are not those of the records."""
    return list(_changed(folder, evidence))


def write(folder, evidence):
    """Writes the files that are stale; returns their paths."""
    changed = _changed(folder, evidence)
    for path, content in changed.items():
        files.write(path, lambda file, content=content: file.write(content))
    return list(changed)


def _changed(folder, evidence):
    """Path -> bytes of the files that are stale."""
    paths = {pathlib.Path(folder, FOLDER, name): content for name, content in made(evidence).items()}
    return {path: content for path, content in paths.items() if not path.exists() or path.read_bytes() != content}
