"""Size and cost of networks as C: python benchmarks/microcontroller.py [--runs=RECORD,...]

Each run is exported by `export_c`, for size and for speed. Compiled for this machine, it classifies the real test images,
and callgrind counts instructions. The cross compilers that are installed (Debian: gcc-arm-none-eabi, gcc-riscv64-unknown-elf,
gcc-avr) say what it takes on microcontrollers, with the functions of the compiler's own library, and QEMU (qemu-user), one
instruction at a time, how many instructions an image takes there. Beside it the same network as TFLite int8, whose bytes are
those of the file, without the interpreter, and by emlearn where that is installed. Written to microcontroller.json.
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

    from tf_supermask.deploy import c_render, c_source
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
        "results/zoo_mnist_small16_sparsest/seed0",
        "results/zoo_mnist_small16_sparse/seed0",
        "results/zoo_mnist_small16/seed0",
    ],
    "records of masked runs; of further seeds beside them, weights and test accuracy are measured",
)
TARGETS = {  # name -> compiler and its flags
    "this machine": "gcc",
    "Cortex-M0": "arm-none-eabi-gcc -mcpu=cortex-m0 -mthumb",
    "RV32EC": "riscv64-unknown-elf-gcc -march=rv32ec -mabi=ilp32e",
    "AVR": "avr-gcc -mmcu=atmega328p",
}
# The network alone, linked with the compiler's own library: no start-up code, no C library.
BARE = "-ffreestanding -fno-tree-loop-distribute-patterns -nostdlib -lgcc".split()
ALONE = ["-Os", "-Wl,-e,network_run", *BARE]
# AVR reads constants of FLASH from its program memory, which is part of its .text; the linker counts them there.
SECTIONS = {"text": r"\.text", "rodata": r"\.s?rodata|\.progmem|\.data\.rel\.ro", "bss": r"\.s?bss|\.s?data$"}
LEVELS = ("-Os", "-O2")
COUNTED = 5  # images under callgrind; QEMU, which writes a line for each instruction, gets the first
EMULATORS = {  # target -> emulator, and how a program begins (RISC-V has a register to set) and ends there
    "Cortex-M0": ("qemu-arm", "", "movs r7, #1; movs r0, #0; svc #0"),
    "RV32EC": (
        "qemu-riscv32",
        ".option push; .option norelax; la gp, __global_pointer$; .option pop",
        "li t0, 93; li a0, 0; ecall",
    ),
}
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
# One image, without a C library.
ONE_IMAGE = """
#include "network.h"
static const int8_t image[NETWORK_INPUTS] = {%s};
static int32_t outputs[NETWORK_OUTPUTS];
void _start(void)
{
    __asm__ volatile("%s");
    network_run(image, outputs);
    __asm__ volatile("%s");
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
    """Target -> level of optimization -> instructions per image; a line of text where a program is not installed."""
    found = {"this machine": _on_this_machine(folder, inputs)}
    for target, (emulator, *start_and_end) in EMULATORS.items():
        compiler, *options = TARGETS[target].split()
        lacking = [program for program in (compiler, emulator) if not shutil.which(program)]
        if lacking:
            found[target] = f"{lacking[0]} is not installed"
            continue
        image = ", ".join(map(str, inputs[0].ravel()))
        (folder / "one_image.c").write_text(ONE_IMAGE % (image, *start_and_end))
        found[target] = {}
        for level in LEVELS:
            run([compiler, *options, "one_image.c", "network.c", "-o", "one_image.elf", level, *BARE], folder)
            # A line for each instruction, whose last word is the function; those of _start are not the network's.
            listed = f"set -o pipefail; {emulator} -singlestep -d exec,nochain -D /dev/stdout one_image.elf"
            count = run(["bash", "-c", f"{listed} | grep -c -v _start"], folder, text=True).stdout
            found[target][level] = int(count)
    return found


def _on_this_machine(folder, inputs):
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
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
    if any(isinstance(layer, keras.layers.Conv2D) for layer in model.layers):
        return "has no convolutions"
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


def compiled(path, images, labels, folder, favor="size"):
    """A run as C: its Program, the first test images as it reads them, the bytes of its weights, and the test accuracy of what is
    compiled of it in `folder`. `images`: those for calibration, and those of the test set."""
    some, images = images
    program = c_source.export_c(runs.load_run(path), folder, some, favor=favor)
    (folder / "reader.c").write_text(READER)
    run(["gcc", "-O2", "-o", "reader", "reader.c", "network.c"], folder)
    inputs = program.network.quantized(images)
    classes = np.array(run(["./reader"], folder, input=inputs.tobytes()).stdout.split(), int)
    weights = sum(len(layer.code.data) for layer in program.layers if layer.code)
    accuracy = 100 * float(np.mean(classes == labels))
    return program, inputs[:COUNTED], {"weights": weights, "test_accuracy": accuracy}


def measured(path):
    """Sizes and cost of a run for each favor, the sizes of the same network by others, and what is compiled of all its seeds."""
    one, record = runs.find_run(path)
    spec, shape = record["spec"], tuple(record["data"]["input_shape"])
    dataset = data.load(spec["dataset"], None, paths.default_cache_dir(), shape)
    prepare = data.PREPROCESS[spec["preprocess"]]
    images = prepare(dataset.train_images[:500]), prepare(dataset.test_images)
    found = {"data": record["data"]["name"], "recorded": record["final"]["test_accuracy"]}
    found["kind"] = "convolutions" if any(len(layer["shape"]) == 4 for layer in record["layers"]) else "dense"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for favor in c_render.FAVORS:
            program, inputs, found[favor] = compiled(path, images, dataset.test_labels, folder, favor)
            found[favor] |= {"constants": program.constants, "ram": program.ram}
            found[favor] |= {"targets": sizes(folder), "instructions": instructions(folder, inputs)}
        export_tflite(program.model, folder / "x.tflite", images[0][:200])
        found["tflite_int8"] = size_of(folder / "x.tflite")
        found["emlearn"] = by_emlearn(program.model, folder)
        seeds = sorted(one.record.parent.glob("seed*.json"))
        found["seeds"] = {path.stem: compiled(path, images, dataset.test_labels, folder)[-1] for path in seeds}
    return found


def lines(found):
    """What was measured as text."""
    for path, one in found.items():
        yield f"{path}: float {one['recorded']:.2f} %; TFLite int8 {one['tflite_int8']:,} bytes; emlearn: {one['emlearn']}"
        yield "  all seeds: " + "; ".join(f"{row['test_accuracy']:.2f} %, {row['weights']:,}" for row in one["seeds"].values())
        for favor in c_render.FAVORS:
            row = one[favor]
            yield f"  for {favor}: {row['test_accuracy']:.2f} %, {row['weights']:,} bytes of weights"
            for target, size in row["targets"].items():
                text = size if isinstance(size, str) else ", ".join(f"{kind} {n:,}" for kind, n in size.items())
                yield f"    {target}: {text}"
            for target, counts in row["instructions"].items():
                text = counts if isinstance(counts, str) else ", ".join(f"{level} {n:,}" for level, n in counts.items())
                yield f"    instructions per image, {target}: {text}"


def main(argv):
    del argv
    tf.get_logger().setLevel("ERROR")
    found = {path: measured(path) for path in FLAGS.runs}
    print("\n".join(lines(found)))
    benchmarks.save(__file__, found)


if __name__ == "__main__":
    app.run(main)
