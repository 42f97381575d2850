"""Size and cost of networks as C: python benchmarks/microcontroller.py [--runs=RECORD,...]

Each run is exported by `export_c`, for size and for speed. Compiled for this machine, it classifies the real test images,
and callgrind counts instructions. The cross compilers that are installed (Debian: gcc-arm-none-eabi, gcc-riscv64-unknown-elf,
gcc-avr) say what it takes on microcontrollers, with the functions of the compiler's own library. Beside it the same network as
TFLite int8, whose bytes are those of the file, without the interpreter, and by emlearn where that is installed. Written to
microcontroller.json.
"""

import importlib.metadata
import importlib.util
import pathlib
import re
import shutil
import subprocess
import tempfile

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import keras
    import numpy as np
    import tensorflow as tf

    from tf_supermask.deploy import c_source
    from tf_supermask.deploy.saved_model import size_of
    from tf_supermask.deploy.tflite import export_tflite
    from tf_supermask.errors import one_line
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import data, paths, runs

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "runs",
    [
        "results/koster_table15_fcn_sinn1/seed0",
        "results/koster_table15_fcn_sinn2/seed0",
        "results/koster_table1_fcn_signed_elus/seed0",
    ],
    "records of masked runs",
)
TARGETS = {  # name -> compiler and its flags
    "this machine": "gcc",
    "Cortex-M0": "arm-none-eabi-gcc -mcpu=cortex-m0 -mthumb",
    "RV32EC": "riscv64-unknown-elf-gcc -march=rv32ec -mabi=ilp32e",
    "AVR": "avr-gcc -mmcu=atmega328p",
}
# The network alone, linked with the compiler's own library: no start-up code, no C library.
ALONE = "-Os -ffreestanding -fno-tree-loop-distribute-patterns -nostdlib -Wl,-e,network_run -lgcc".split()
# AVR reads constants of FLASH from its program memory, which is part of its .text; the linker counts them there.
SECTIONS = {"text": r"\.text", "rodata": r"\.s?rodata|\.progmem|\.data\.rel\.ro", "bss": r"\.s?bss|\.s?data$"}
LEVELS = ("-Os", "-O2", "-O3")
COUNTED = 5  # images under callgrind
READER = """
#include <stdio.h>
#include "network.h"
int main(void)
{
    static int8_t image[NETWORK_INPUTS];
    static int32_t outputs[NETWORK_OUTPUTS];
    while (fread(image, 1, NETWORK_INPUTS, stdin) == NETWORK_INPUTS)
        printf("%d\\n", network_run(image, outputs));
    return 0;
}
"""


def run(command, folder, **given):
    done = subprocess.run(command, cwd=folder, capture_output=True, **given)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-300:]}")
    return done


def sizes(folder):
    """Target -> bytes of text, rodata and bss of the linked network; a line of text where the compiler is not there, or the
    network does not fit."""
    found = {}
    for target, command in TARGETS.items():
        compiler, *options = command.split()
        if not shutil.which(compiler):
            found[target] = f"{compiler} is not installed"
            continue
        try:
            run([compiler, *options, "network.c", "-o", "alone.elf", *ALONE], folder)
        except RuntimeError as error:
            if not re.search(r"too large|will not fit|overflowed", str(error)):
                raise
            found[target] = "too large"
            continue
        listed = run([f"{compiler.removesuffix('gcc')}size", "-A", "alone.elf"], folder, text=True).stdout
        sections = [line.split()[:2] for line in listed.splitlines() if line.startswith(".")]
        found[target] = {
            kind: sum(int(size) for name, size in sections if re.match(pattern, name))
            for kind, pattern in SECTIONS.items()
        }
    return found


def instructions(folder, inputs):
    """Level of optimization -> instructions per image on this machine; None without valgrind."""
    if not shutil.which("valgrind"):
        return None
    found = {}
    count = ["valgrind", "--tool=callgrind", "--toggle-collect=network_run", "--callgrind-out-file=/dev/null"]
    for level in LEVELS:
        run(["gcc", level, "-o", "reader", "reader.c", "network.c"], folder)
        told = run([*count, "./reader"], folder, input=inputs.tobytes()).stderr.decode()
        found[level] = int(re.search(r"Collected *: (\d+)", told)[1]) // len(inputs)
    return found


def by_emlearn(model, folder):
    """Bytes that a plain model takes, compiled from what emlearn makes of it, or a line of text on why there is none. emlearn has
    no ELU: ReLU takes its place, which changes the outputs but hardly the bytes."""
    if not importlib.util.find_spec("emlearn"):
        return "not installed"
    import emlearn

    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    twin = keras.Sequential([keras.Input(dense[0].kernel.shape[:1])])
    for layer in dense:
        activation = "softmax" if layer is dense[-1] else "relu"
        twin.add(keras.layers.Dense(layer.units, activation))
        twin.layers[-1].set_weights([layer.kernel, layer.bias if layer.use_bias else np.zeros(layer.units)])
    try:
        emlearn.convert(twin, method="inline").save(file=str(folder / "dense.h"), name="dense")
    except Exception as error:  # of many kinds, for what it does not know
        return f"emlearn {importlib.metadata.version('emlearn')} refuses: {one_line(error)}"
    (folder / "eml.c").write_text(
        '#include "dense.h"\nint run(const float *x, int n) { return dense_predict(x, n); }\n'
    )
    run(["gcc", "-Os", f"-I{emlearn.includedir}", "-c", "eml.c", "-o", "eml.o"], folder)
    return sum(map(int, run(["size", "eml.o"], folder, text=True).stdout.splitlines()[1].split()[:3]))


def measured(program, dataset, some, images, folder):
    """What a Program takes, and what it makes of the test images; it is compiled in `folder`."""
    inputs = program.network.quantized(images)
    (folder / "reader.c").write_text(READER)
    run(["gcc", "-O2", "-o", "reader", "reader.c", "network.c"], folder)
    classes = np.array(run(["./reader"], folder, input=inputs.tobytes()).stdout.split(), int)
    return {
        "weights": sum(len(layer.code.data) for layer in program.layers if layer.code),
        "constants": program.constants,
        "ram": program.ram,
        "test_accuracy": 100 * float(np.mean(classes == dataset.test_labels)),
        "targets": sizes(folder),
        "instructions": instructions(folder, inputs[:COUNTED]),
    }


def measured_run(path):
    """`measured` of a run for each favor, and the sizes of the same network by others."""
    _, record = runs.find_run(path)
    spec, shape = record["spec"], tuple(record["data"]["input_shape"])
    dataset = data.load(spec["dataset"], None, paths.default_cache_dir(), shape)
    prepare = data.PREPROCESS[spec["preprocess"]]
    some, images = prepare(dataset.train_images[:500]), prepare(dataset.test_images)
    found = {"data": record["data"]["name"], "recorded": record["final"]["test_accuracy"]}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for favor in c_source.FAVORS:
            program = c_source.export_c(runs.load_run(path), folder, some, favor=favor)
            found[favor] = measured(program, dataset, some, images, folder)
        export_tflite(program.model, folder / "x.tflite", some[:200])
        found["tflite_int8"] = size_of(folder / "x.tflite")
        found["emlearn"] = by_emlearn(program.model, folder)
    return found


def lines(found):
    """What was measured as text."""
    for path, its in found.items():
        yield f"{path}: float {its['recorded']:.2f} %; TFLite int8 {its['tflite_int8']:,} bytes; emlearn: {its['emlearn']}"
        for favor in c_source.FAVORS:
            row = its[favor]
            counts = row["instructions"] and ", ".join(f"{level} {n:,}" for level, n in row["instructions"].items())
            yield f"  for {favor}: {row['test_accuracy']:.2f} %, {row['weights']:,} bytes of weights"
            for target, size in row["targets"].items():
                text = size if isinstance(size, str) else ", ".join(f"{kind} {n:,}" for kind, n in size.items())
                yield f"    {target}: {text}"
            yield f"    instructions per image: {counts or 'not counted, valgrind is not installed'}"


def main(argv):
    del argv
    tf.get_logger().setLevel("ERROR")
    found = {path: measured_run(path) for path in FLAGS.runs}
    print("\n".join(lines(found)))
    benchmarks.save(__file__, found)


if __name__ == "__main__":
    app.run(main)
