"""Writes a trained run in another form: what `export` does after its flags are checked, with TensorFlow."""

import os
from typing import NamedTuple

from absl import logging

from tf_supermask import conversion, sparsity
from tf_supermask.deploy import c_render, c_source, compaction, container, matmul
from tf_supermask.deploy.codes_file import export_codes
from tf_supermask.deploy.onnx_file import export_onnx
from tf_supermask.deploy.saved_model import export_keras, export_saved_model, size_of
from tf_supermask.deploy.tflite import export_tflite
from tf_supermask.experiments import data, paths, runs

_CALIBRATION = 500  # images that scale the activations of C code
_REPRESENTATIVE = 200  # those of TFLite
_WRITERS = {
    "saved_model": export_saved_model,
    "keras": export_keras,
    "onnx": export_onnx,
    "supermask": container.save,
    "codes": export_codes,
}


class Source(NamedTuple):
    """The run that is written, and where its data set lies."""

    record: dict
    data_dir: str | None

    def data(self):
        spec, shape = self.record["spec"], tuple(self.record["data"]["input_shape"])
        return data.load(spec["dataset"], self.data_dir, paths.default_cache_dir(), shape, spec.get("splits"))

    def prepared(self, images):
        """Images as the network was trained with them."""
        return data.PREPROCESS[self.record["spec"]["preprocess"]](images)


def _export(model, path, source, options):
    """Writes a model in the format of `options`."""
    if options.compact:
        model = compaction.compact(model)
    if options.images:
        model, rows = matmul.fastest(model, options.images)
        print("\n".join(map(matmul.line, rows)))
    if options.format == "tflite":
        export_tflite(model, path, source.prepared(source.data().train_images[:_REPRESENTATIVE]) if options.int8 else None)
    elif options.format == "c":
        _export_c(model, path, source, options)
    else:
        _WRITERS[options.format](model, path)


def _export_c(model, path, source, options):
    """Writes C code; prints a line on each layer, and the accuracy of the float network and of the C code's arithmetic."""
    dataset = source.data()
    main = source.record["spec"]["preprocess"] if options.main else False
    images = source.prepared(dataset.train_images[:_CALIBRATION])
    limits = {"most_flash": options.most_flash, "most_ram": options.most_ram}
    favor = options.favor or c_render.FAVORS[0]
    program = c_source.export_c(model, path, images, options.arithmetic or "int8", main, favor=favor, **limits)
    print("\n".join(program.lines()))
    print(f"{program.constants:,} bytes of constants, {program.ram:,} bytes of buffers, without the instructions")
    accuracies = c_source.accuracies(program, source.prepared(dataset.test_images), dataset.test_labels)
    print(", ".join(f"test accuracy as {name}: {percent:.2f} %" for name, percent in accuracies.items()))


def write(options, ending):
    """Writes the run that `options`, the flags of `export`, name, and prints its size. `ending`: of the default path.

    Raises InputError or ValueError where the run or its form cannot be had.
    """
    logging.set_verbosity(logging.ERROR)
    run, record = runs.find_run(options.run)
    name = f"{run.experiment}_seed{run.seed}{'_compact' * options.compact}{'_int8' * options.int8}{ending}"
    path = options.output or os.path.join("exported", name)
    model = runs.load_run(options.run)
    _export(model, path, Source(record, options.data_dir), options)
    dense = sparsity.dense_bytes(conversion.strip_masks(model))
    print(f"wrote {path}: {size_of(path):,} bytes; the dense network has {dense:,} bytes of weights")
