"""Learning rates: those that are tried on validation images, the best of each method, and its way into the flag files.

    python -m tf_supermask.papers.rivals.rates [RESULTS]

writes the best rate of each method of whose grid all runs have records, below results/ or RESULTS, to the method's flag files.
Most methods have one rate, which is chosen at a density of 10 %. Where the size of frozen weights, and with it that of gradients,
follows the density, each density has a grid and a rate of its own.
"""

import argparse
import pathlib
import re

import numpy as np
import pandas as pd

from tf_supermask import files
from tf_supermask.evidence.markup import markdown
from tf_supermask.experiments import flag_files, records
from tf_supermask.papers.rivals import names

TRIED_AT = "0.1"  # the density at which methods with one rate for all have theirs chosen
BEHIND = "the rate of 10 %: behind the best by"
_FLAG = re.compile(r"^--learning_rate=.*\n", re.MULTILINE)


def load(folder):
    """Experiment -> its records, of those in a folder that try rates."""
    paths = sorted(pathlib.Path(folder).glob("rivals_grid_*/seed*.json"))
    return {path.parent.name: [records.read(path)] for path in paths}  # one seed each


def grids(experiments):
    """`(network, method, density)` of a Trial -> rate as text -> mean accuracy on validation images, in percent, of experiment ->
    records."""
    grids = {}
    for name, runs in experiments.items():
        if (trial := names.tried(name)) is not None:
            accuracies = [record["final"]["test_accuracy"] for record in runs]
            grids.setdefault(trial[:3], {})[trial.rate] = float(np.mean(accuracies))
    return grids


def best(accuracies):
    """The rate of the highest accuracy; of equal ones the smallest."""
    return min(accuracies, key=lambda rate: (-accuracies[rate], float(rate)))


def chosen(experiments, folder=flag_files.ROWS):
    """`(network, method, density)` -> the best rate, where all experiments of the grid's flag file in `folder` have records."""
    found = {}
    for key, accuracies in grids(experiments).items():
        path = pathlib.Path(folder, f"{names.grid(*key)}.flags")
        planned = flag_files.read(path) if path.exists() else None  # None: only to see what a rate loses at another density
        if planned and {names.tried(experiment.name).rate for experiment in planned} <= accuracies.keys():
            found[key] = best(accuracies)
    return found


def rows_of(net, method, density=None, folder=flag_files.ROWS):
    """Paths of the flag files whose runs have the rate that was chosen for a method on a network, at a density or at all."""
    networks, methods = names.SERVES.get((net, method), ([net], [method]))
    which = r"(_[\d.]+)?" if density is None else f"_{re.escape(density)}"
    name = re.compile(rf"rivals_(own|density|augmented)_({'|'.join(networks)})_({'|'.join(methods)}){which}\.flags")
    return sorted(path for path in pathlib.Path(folder).iterdir() if name.fullmatch(path.name))


def with_rate(text, rate):
    """The text of a flag file with this learning rate, in the place of its own or at its end."""
    line = f"--learning_rate={rate}\n"
    return _FLAG.sub(line, text, count=1) if _FLAG.search(text) else text + line


def write(experiments, folder=flag_files.ROWS):
    """Writes the best rates to the flag files in `folder`; returns the paths of those that changed."""
    changed = []
    for key, rate in chosen(experiments, folder).items():
        for path in rows_of(*key, folder):
            text = path.read_text()
            if (new := with_rate(text, rate)) != text:
                files.write(path, lambda file, new=new: file.write(new.encode()))
                changed.append(path)
    return changed


def table(net, experiments, density=TRIED_AT):
    """Data frame of text: a method in each row, a rate in each column, accuracies on validation images; the best is bold.

    At another density than that at which most rates are chosen, a last column has the points that such a rate loses to the best.
    """
    found = grids(experiments)
    at = (density, None) if density == TRIED_AT else (density,)
    tried = {method: its for (where, method, its_density), its in found.items() if where == net and its_density in at}
    rates = sorted({rate for accuracies in tried.values() for rate in accuracies}, key=float)
    labels = names.OWN | names.WITH_DENSITY
    lines = [
        {"method": label, **{rate: _cell(rate, its) for rate in rates}, BEHIND: _behind(its, found.get((net, method, None)))}
        for method, label in labels.items()
        if (its := tried.get(method))
    ]
    return pd.DataFrame(lines).drop(columns=[BEHIND] if density == TRIED_AT else [], errors="ignore")


def _behind(accuracies, one_for_all):
    """What the best rate of `one_for_all` loses to the best of `accuracies`, both rate -> accuracy, None without the former."""
    chosen = one_for_all and accuracies.get(best(one_for_all))
    return "-" if chosen is None else f"{accuracies[best(accuracies)] - chosen:.2f}"


def _cell(rate, accuracies):
    if rate not in accuracies:
        return "-"
    text = f"{accuracies[rate]:.2f}"
    return f"**{text}**" if rate == best(accuracies) else text


def _epochs(net, experiments):
    """Of the runs that try rates on a network; those that count iterations have as many."""
    runs = [runs for name, runs in experiments.items() if (names.tried(name) or [None])[0] == net]
    return max(record["spec"]["epochs"] or 0 for its in runs for record in its)


def _served(net):
    """Sentences on the methods that have the rate of another one."""
    labels = names.OWN | names.WITH_DENSITY
    for (where, method), (_, methods) in names.SERVES.items():
        others = [labels[other] for other in methods if other != method]
        if where == net:
            yield f" The rate of {labels[method]} is also that of {', '.join(others)}."


def section(net, experiments):
    """Markdown of the table; '' where no rate was tried."""
    frame = table(net, experiments)
    if frame.empty:
        return ""
    return "\n\n".join([
        f"### Learning rates, {names.NETS[net].title}",
        f"Accuracy, %, on the last 5,000 training images, which are held out, after {_epochs(net, experiments)}"
        " epochs, of Bernoulli masks at the iteration that counts; one seed. Methods with a density have 10 %. The best rate is "
        f"in bold, of equal ones the smallest; rows have it.{''.join(_served(net))}",
        markdown(frame),
        *_at_other_densities(net, experiments),
    ])  # fmt: skip


def _at_other_densities(net, experiments):
    for density in names.NETS[net].densities:
        frame = table(net, experiments, density)
        if density != TRIED_AT and not frame.empty:
            yield (
                f"The same at a density of {100 * float(density):g} %. Methods with a number in the last column keep the rate"
                " that was chosen at 10 %, others have the best of this table."
            )
            yield markdown(frame)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", nargs="?", default="results", help="folder of the records")
    for path in write(load(parser.parse_args().results)):
        print(path)


if __name__ == "__main__":
    main()
