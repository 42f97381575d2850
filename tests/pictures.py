"""Data sets of tensorflow-datasets, made on the spot."""

import itertools

import numpy as np
import tensorflow_datasets as tfds

IMAGE, LABEL = tfds.features.Image(shape=(8, 8, 1)), tfds.features.ClassLabel(num_classes=4)


class Pictures(tfds.core.GeneratorBasedBuilder):
    """Data sets that tensorflow-datasets knows by name: random pixels, and labels in turn."""

    VERSION = tfds.core.Version("1.0.0")
    FEATURES, KEYS, SPLITS, URL = {"image": IMAGE, "label": LABEL}, ("image", "label"), {"train": 12, "test": 8}, None
    first_label, seed = 0, 0

    def _info(self):
        features = tfds.features.FeaturesDict(self.FEATURES)
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=self.KEYS)

    def _split_generators(self, manager):
        if self.URL:
            manager.download(self.URL)
        return {split: self._generate_examples(count) for split, count in self.SPLITS.items()}

    def _generate_examples(self, count):
        draw = np.random.default_rng((count, self.seed))
        for i in range(count):
            yield i, {name: self.example(feature, draw, i) for name, feature in self.FEATURES.items()}

    def example(self, feature, draw, i):
        if feature.shape == ():
            return self.first_label + i % (getattr(feature, "num_classes", None) or 4)
        shape = [size or 2 for size in feature.shape]
        return draw.integers(0, 4 if len(shape) == 1 else 256, shape).astype(feature.np_dtype)


NUMBER = itertools.count()


def pictures(folder, prepare=True, **attributes):
    """The builder of a data set that was not there before, prepared in `folder`."""
    kind = type(f"Pictures{next(NUMBER)}", (Pictures,), attributes | {"__module__": __name__})
    builder = kind(data_dir=str(folder))
    if prepare:
        builder.download_and_prepare()
    return builder
