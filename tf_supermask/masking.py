"""Masks for the layers of a subclassed model, in place: mask_layers."""

import keras

from tf_supermask import arguments, choosing, cloning, conversion, forms, graph, maskable, replacing, sparsity


def mask_layers(
    model, rule="signed", filter=choosing.all_layers, scheme=None, distribution=None, keep_weights=False, seed=0,
    threshold=None, relative_threshold=None, rescale=False, score_initializer="glorot_uniform", use_bias=None, verbose=True,
    density=None, weight_fan=None,
):  # fmt: skip
    """Replaces the layers of a subclassed model, or of a layer, by their masked forms, in place, before the first call.

    Layers are looked for in attributes, lists, tuples, sets and dictionaries of the model and of a user's own layers inside it.
    Dense and Conv2D layers become `SignedMaskDense` and `SignedMaskConv2D`, other layers of Keras with kernels `Masked`, and
    models with a graph of their own what `mask_model` makes of them. The class must call its layers as it finds them in its
    attributes; `Masked` has other attributes than the layer that it wraps, which is its `layer`.

    Arguments are those of `mask_model`, with these differences.

    Args:
        filter: `layer -> bool`: names of kernels are known only after the first call.
        scheme, distribution, weight_fan: of the weights of Dense and Conv2D layers and of models inside; those of other layers
            are what the layer itself draws.
        keep_weights: freeze what every layer itself draws, or has already in a model inside.
        seed: each layer gets its own from it and from the path of attributes that leads to the layer.
        verbose: print a line that names the layers that may have kernels and get no mask although `filter` lets them have one.

    Returns:
        List of the paths of the layers that were replaced, as in `blocks/0/dense`.

    Raises:
        ValueError: no layer can be masked, a layer was called already, or a layer cannot be replaced.
    """
    verbose = arguments.verbosity(verbose)
    masked = {"rule": rule, "threshold": threshold, "relative_threshold": relative_threshold, "density": density}
    masked["rescale"] = rescale
    made = forms.Forms(scheme, distribution, weight_fan, score_initializer, seed, keep_weights, use_bias, **masked)
    if callable(filter) and choosing.takes_two(filter):
        raise ValueError("`filter` must take a layer alone: names of kernels are known only after the first call")
    return _Masking(model, made, choosing.passing_of(filter)).run(verbose)


class _Masking:
    """One call of mask_layers."""

    def __init__(self, owner, forms, passing):
        arguments.keras_3("model", owner, "model or layer")
        if not isinstance(owner, keras.layers.Layer):
            raise ValueError(f"`model` must be a Keras model or layer. Received: {type(owner).__name__}")
        if graph.is_graph(owner):
            raise ValueError(
                f"{owner.name} is a model with a graph of its own; use mask_model, which returns one with masks"
            )
        self.owner, self.forms, self.passing = owner, forms, passing
        self.masked, self.unmasked = [], []  # paths, and texts for the line

    def run(self, verbose):
        self._check()
        replacing.replace(self.owner, self._made)
        if not self.masked:
            raise ValueError(
                f"{self.owner.name} has no layer to mask in its attributes: it has to make them in __init__, without masks, "
                "and the filter has to let one pass"
            )
        if verbose and self.unmasked:
            print(f"{self.owner.name}: no masks in {sparsity.listed(self.unmasked)} (verbose=False hides this line)")
        return self.masked

    def _check(self):
        """Raises ValueError if a layer outside of models with a graph was called already."""
        layers = [self.owner, *graph.inside(self.owner)]
        models = [layer for layer in layers if graph.is_graph(layer)]
        of_graphs = {id(layer) for model in models for layer in (model, *graph.inside(model))}
        for layer in layers:
            if layer.built and layer.weights and id(layer) not in of_graphs:
                raise ValueError(
                    f"{layer.name} ({type(layer).__name__}) was called already; make a new one for mask_layers"
                )

    def _made(self, layer, path):
        """What takes the place of a layer, None where to look inside."""
        if hasattr(type(layer), "masked_kernels"):
            return layer
        if graph.is_graph(layer):
            return self._model(layer, path)
        kernels = isinstance(layer, tuple(maskable.with_kernels()))
        of_keras = type(layer).__module__.split(".")[0] == "keras"
        if not kernels and (not of_keras or isinstance(layer, (keras.Sequential, keras.layers.Wrapper))):
            self._look(layer)
            return None
        if not kernels or not self.passing(layer, ["kernel"]):
            return layer
        reason = maskable.refusal(layer)
        if reason:
            self.unmasked.append(f"{path} ({type(layer).__name__}: {reason})")
            return layer
        self.masked.append(path)
        return self._form(layer, path)

    def _look(self, layer):
        """Names a user's own layer that has no layers inside, since its kernels are not known yet."""
        if not replacing.parts(layer) and self.passing(layer, ["kernel"]):
            self.unmasked.append(
                f"{layer.name} ({type(layer).__name__}: what it has is known after a call; wrap it in Masked)"
            )

    def _form(self, layer, path):
        if not forms.has_special_form(layer):
            return self.forms.general(layer, path)
        kept = {"weight_initializer": layer.kernel_initializer} if self.forms.keep_weights else {}
        return self.forms.special(layer, path, **kept)

    def _model(self, model, path):
        """The masked form of a model with a graph; itself where it has nothing to mask."""
        chosen = choosing.choices(model, self.passing, f"{path}/")
        if not chosen:
            return model
        self.masked.append(path)
        return conversion.masked_clone(cloning.checked(model), self.forms, chosen)
