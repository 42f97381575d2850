"""Reading of files that are damaged or hostile."""

import base64
import json
import pathlib
import re
import time
import zlib

import constriction
import keras
import numpy as np
import pytest
from conftest import ROOT

from tf_supermask import He, SignedMaskDense, conversion
from tf_supermask.deploy import architecture, coding, container, container_format, header_bits, level_codes, loading
from tf_supermask.deploy.container_format import VERSION, deflated, headed, opened, sealed
from tf_supermask.deploy.words import WORDS
from tf_supermask.errors import InputError
from tf_supermask.experiments import networks
from tf_supermask.experiments.spec import Spec

HEAD = 21  # bytes before what the checksum covers


def crafted(model, kernels=(), arrays=b"", codes=b""):
    """The bytes of a file with a right checksum, as somebody could make it; `arrays` are deflated already."""
    return sealed(VERSION, headed(model, dict(kernels)) + (arrays or deflated(b"")) + codes)


def described(*layers, shape=(4,), dtype=None, **changes):
    """Keras' description of layers in a row; `changes` are to the configurations of all classes that are named."""
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *layers])
    description = architecture.stripped(json.loads(model.to_json()))
    change(description, changes)
    return description


def change(part, changes):
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        change(inner, changes)
    if isinstance(part, dict) and part.get("class_name") in changes:
        part["config"] |= changes[part["class_name"]]


def wide(size):
    return {"batch_shape": [None, size]}


def named(class_name, module="keras.layers", registered=None, **config):
    """The description of a model with an object of any class in place of a layer."""
    description = described(keras.layers.Dense(3))
    its = {"class_name": class_name, "module": module, "config": {"name": "its", **config}}
    description["config"]["layers"][1] = its | ({"registered_name": registered} if registered else {})
    return description


def operation(class_name, module, arguments, **config):
    """The description of a functional model of one operation; TENSOR among the arguments is the model's input."""
    inputs = keras.Input((4, 8), name="input")
    description = architecture.stripped(json.loads(keras.Model(inputs, keras.ops.relu(inputs)).to_json()))
    its = {
        "class_name": class_name,
        "module": f"keras.src.ops.{module}",
        "config": {"name": "its", **config},
        "name": "its",
    }
    description["config"]["layers"][1] = its | {"inbound_nodes": [{"args": arguments, "kwargs": {}}]}
    description["config"]["output_layers"] = [["its", 0, 0]]
    return description


def repeated(arguments, **call):
    """The description of a RepeatVector layer, whose output is large, with these arguments; `call`: other parts of its call."""
    description = operation("RepeatVector", "", arguments, n=2**29)
    its = description["config"]["layers"][1]
    its["module"] = "keras.layers"
    its["inbound_nodes"][0] |= call
    return description


def stateful(layer, batch, shape=(4, 3), **changes):
    """The description of recurrent layers that keep states for each of `batch` inputs."""
    kinds = ("LSTM", "SimpleRNN", "RNN", "GRU", "ConvLSTM2D")
    changes = {kind: {"stateful": True} | changes.get(kind, {}) for kind in kinds}
    return described(layer, shape=shape, InputLayer={"batch_shape": [batch, *shape]}, **changes)


def reshaped_and_stateful(batch):
    inputs = keras.Input((4, 3), name="input")
    x = keras.layers.LSTM(8)(keras.ops.reshape(inputs, (2, 4, 3)))
    description = architecture.stripped(json.loads(keras.Model(inputs, x).to_json()))
    change(description, {"Reshape": {"newshape": [batch, 4, 3]}, "LSTM": {"stateful": True}})
    return description


def with_(entry, **more):
    return entry | {"config": entry["config"] | more}


def chained(count, step=1):
    """The description of activations in a row, listed in this order or against it."""
    x = inputs = keras.Input((4,), name="input")
    description = architecture.stripped(json.loads(keras.Model(inputs, keras.layers.Activation("relu")(x)).to_json()))
    (first, layer), layers = description["config"]["layers"], []
    for number in range(count):
        its = json.loads(json.dumps(layer))
        its["name"] = its["config"]["name"] = f"layer{number}"
        its["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = f"layer{number - 1}" if number else "input"
        layers.append(its)
    description["config"] |= {"layers": [first, *layers[::step]], "output_layers": [[f"layer{count - 1}", 0, 0]]}
    return description


def doubled(levels):
    """The description of a model that calls a model twice, which calls a model twice..."""
    inner = chained(1)
    for _ in range(levels):
        outer = chained(1)
        its = outer["config"]["layers"][1]
        outer["config"]["layers"][1] = its | inner | {"inbound_nodes": its["inbound_nodes"] * 2}
        inner = outer
    return inner


def within(count):
    """The description of wrappers in wrappers."""
    its = {"class_name": "Dense", "module": "keras.layers", "config": {"units": 3}}
    for _ in range(count):
        its = {"class_name": "TimeDistributed", "module": "keras.layers", "config": {"layer": its}}
    return its


def kernel(*shape, **more):
    return {"view": [1] * (4 - len(shape)) + list(shape), "codes": [[0, 1]] * 3, "scale": 1.0} | more


def zeros(mebibytes):
    """So many deflated: a thousandth of that."""
    deflate = zlib.compressobj(9, wbits=-15)
    return b"".join(deflate.compress(bytes(2**20)) for _ in range(mebibytes)) + deflate.flush()


_HISTORY = {"shape": [None, 4, 8], "dtype": "float32", "keras_history": ["input", 0, 0]}


TENSOR = {"class_name": "__keras_tensor__", "config": _HISTORY}


ARRAY = {"class_name": "__numpy__", "config": {"value": [[1.0]], "dtype": "float32"}}


DENSE_OBJECT = {"class_name": "Dense", "module": "keras.layers", "config": {"units": 3}}


DENSE = keras.layers.Dense(3, use_bias=False, name="dense")


ORTHOGONAL = {"class_name": "Orthogonal", "module": "keras.initializers", "config": {"gain": 1.0, "seed": 1}}


FUNCTION = {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"}


HOSTILE = {
    # larger than what the file holds
    "dense": lambda: crafted(described(DENSE, Dense={"units": 2**19}, InputLayer=wide(2**12))),
    "embedding": lambda: crafted(
        described(keras.layers.Embedding(3, 3), dtype="int32", Embedding={"input_dim": 2**40})
    ),
    "convolution": lambda: crafted(described(keras.layers.Conv2D(3, 1), shape=(4, 4, 3), Conv2D={"filters": 10**10})),
    "recurrent": lambda: crafted(
        described(keras.layers.Bidirectional(keras.layers.LSTM(3)), shape=(4, 3), LSTM={"units": 2**16})
    ),
    "wrapped": lambda: crafted(
        described(keras.layers.TimeDistributed(keras.layers.Dense(3)), shape=(4, 3), Dense={"units": 2**32})
    ),
    "model in a model": lambda: crafted(
        described(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), Dense={"units": 2**33})
    ),
    "normalization": lambda: crafted(described(keras.layers.Normalization(), InputLayer=wide(2**33))),
    "beyond integers": lambda: crafted(described(keras.layers.BatchNormalization(), InputLayer=wide(2**70))),
    "kernel of no layer": lambda: crafted(described(keras.layers.ReLU()), {"other": kernel(2**13, 2**14)}),
    "kernel of another shape": lambda: crafted(described(DENSE), {"dense": kernel(2**13, 2**14)}),
    "kernels without codes": lambda: crafted(
        described(DENSE, Dense={"units": 2**11}, InputLayer=wide(2**11)),
        {"dense": kernel(2**11, 2**11)},
        codes=b"code" * 99,
    ),
    "statistics": lambda: crafted(
        described(
            keras.layers.Normalization(),
            InputLayer=wide(2**29),
            Normalization={"mean": 0.0, "variance": 1.0},
        )
    ),
    "statistics in a model in a model": lambda: crafted(
        described(
            keras.Sequential([keras.Input((4, 4)), keras.layers.Normalization(axis=(1, 2))]),
            shape=(4, 4),
            InputLayer={"batch_shape": [None, 2**15, 2**15]},
            Normalization={"mean": 0.0, "variance": 1.0},
        )
    ),
    "states": lambda: crafted(stateful(keras.layers.LSTM(8), 2**25)),
    "states of a model in a model": lambda: crafted(
        stateful(keras.Sequential([keras.Input((4, 3)), keras.layers.SimpleRNN(8)]), 2**25)
    ),
    "states of cells": lambda: crafted(
        stateful(keras.layers.RNN([keras.layers.GRUCell(2**10), keras.layers.LSTMCell(1)]), 2**17)
    ),
    "states in both directions": lambda: crafted(stateful(keras.layers.Bidirectional(keras.layers.GRU(8)), 2**25)),
    "states that are images": lambda: crafted(
        stateful(keras.layers.ConvLSTM2D(64, 1), 2**12, shape=(1, 4, 4, 3), ConvLSTM2D={"filters": 2**12})
    ),
    "states of a batch that an operation makes": lambda: crafted(reshaped_and_stateful(2**25)),
    "values of one input": lambda: crafted(described(keras.layers.RepeatVector(3), RepeatVector={"n": 2**40})),
    "values inside a model": lambda: crafted(
        described(
            keras.Sequential([keras.Input((4, 2)), keras.layers.UpSampling1D(3), keras.layers.GlobalMaxPooling1D()]),
            shape=(4, 2),
            UpSampling1D={"size": 2**40},
        )
    ),
    "axes of a value": lambda: crafted(
        described(keras.layers.Reshape((1, 4)), Reshape={"target_shape": [1] * 10**6 + [4]})
    ),
    "numbers of a layer": lambda: crafted(
        described(keras.layers.Discretization([0.5]), Discretization={"bin_boundaries": [0.5] * 10**6})
    ),
    "weights of a small file": lambda: small_file(),
    "decompositions": lambda: crafted(
        described(DENSE, Dense={"units": 2**11}, InputLayer=wide(2**11)),
        {"dense": kernel(2**11, 2**11, draw={"initializer": ORTHOGONAL, "shape": [2**11] * 2, "sha256": ""})},
    ),
    "axes of weights": lambda: crafted(
        described(DENSE), {"dense": kernel(4, 3, draw={"initializer": ORTHOGONAL, "shape": [4, 3] + [1] * 999})}
    ),
    "arrays of no layer": lambda: crafted(described(keras.layers.ReLU()), arrays=zeros(100)),
    "arrays without end": lambda: crafted(described(DENSE), arrays=zeros(1)[:-8]),
    "header": lambda: sealed(VERSION, zeros(100)),
    # longer than a few seconds
    "objects": lambda: sealed_header(
        b'{"kernels":[],"model":{"class_name":"Dense","config":[' + b'{"":[]},' * 5 * 10**5 + b"0]}}"
    ),
    "numbers of kernels": lambda: many_numbers(kernels=60),
    "layers in a short row": lambda: short([["InputLayer", "i", {"batch_shape": [None, 1]}], *flatten(180)]),
    "layers in a row": lambda: crafted(described(*[keras.layers.ReLU()] * 2) | {"config": many_layers()}),
    "layers in a graph": lambda: crafted(chained(3000)),
    "layers in the wrong order": lambda: crafted(chained(2000, -1)),
    "calls": lambda: crafted(doubled(30)),
    "depth": lambda: crafted(within(60)),
    "depth of lists": lambda: sealed_header(b'{"model":' + b"[" * 10**5 + b"]" * 10**5 + b"}"),
    "loop": lambda: crafted(
        operation("Relu", "nn", [TENSOR | {"config": _HISTORY | {"keras_history": ["its", 0, 0]}}])
    ),
    "operation on numbers": lambda: crafted(operation("Tile", "numpy", [1.0], repeats=10**10)),
    "operation on an array": lambda: crafted(operation("BroadcastTo", "numpy", [ARRAY], shape=[2**14, 2**15])),
    "layer on an array": lambda: crafted(repeated([ARRAY])),
    "tensor hidden in an array": lambda: crafted(repeated([with_(ARRAY, zz=TENSOR)])),
    "tensor hidden beside an array": lambda: crafted(repeated([ARRAY | {"zz": TENSOR}])),
    "tensor hidden in a slice": lambda: crafted(
        repeated([ARRAY, {"class_name": "__slice__", "config": {"start": TENSOR, "stop": None, "step": None}}])
    ),
    "tensor hidden in a layer": lambda: crafted(repeated([ARRAY, with_(DENSE_OBJECT, zz=TENSOR)])),
    "tensor hidden in a call": lambda: crafted(repeated([ARRAY], zz=TENSOR)),
    "tensor that Keras takes out": lambda: crafted(repeated([ARRAY], kwargs={"training": TENSOR})),
    "call that is a list": lambda: crafted(repeated([ARRAY], args={"a": TENSOR})),
    "outputs": lambda: crafted(operation("Split", "numpy", [TENSOR], indices_or_sections=10**8)),
    "words out of vocabulary": lambda: crafted(named("StringLookup", vocabulary=["a"], num_oov_indices=10**9)),
    "constant": lambda: crafted(
        operation(
            "Add", "numpy", [TENSOR, {"class_name": "__numpy__", "config": {"value": "a", "dtype": "S999999999"}}]
        )
    ),
    # code and files
    "code": lambda: crafted(named("Lambda", function={"class_name": "__lambda__", "config": {"code": ""}})),
    "code as an activation": lambda: crafted(
        named("Dense", units=3, activation={"class_name": "__lambda__", "config": {}})
    ),
    "function of a module": lambda: crafted(named("Dense", units=3, activation=FUNCTION)),
    "function of Keras": lambda: crafted(named("Dense", units=3, activation=FUNCTION | {"module": "keras.utils"})),
    "class of a module": lambda: crafted(named("Popen", "subprocess", args="true")),
    "class of Keras": lambda: crafted(named("TFSMLayer", filepath="/")),
    "class of Keras inside": lambda: crafted(named("Orbax", "keras.src.saving.saving_lib")),
    "class under another name": lambda: crafted(named("Dense", registered="package>Dense", units=3)),
    "operation with a function": lambda: crafted(operation("Map", "core", [{"class_name": "function"}, TENSOR])),
    "type": lambda: crafted(named("Dense", units=3, other={"class_name": "__typespec__", "config": []})),
    "quantized": lambda: crafted(
        named("Dense", units=3, dtype={"class_name": "QuantizedDTypePolicy", "module": "keras", "config": {}})
    ),
    "vocabulary in a file": lambda: crafted(named("StringLookup", vocabulary="/etc/hostname")),
    "initializer of a module": lambda: crafted(
        described(DENSE), {"dense": kernel(4, 3, draw={"initializer": named("x", "os"), "shape": [4, 3], "sha256": ""})}
    ),
    # short forms
    "layers in short form": lambda: short([["ReLU", "x"]] * 10**5),
    "calls in short form": lambda: short([["ReLU", "x", {}, [[]] * 10**5]]),
    "code in short form": lambda: short([["Dense", "x", {"activation": {"class_name": "__lambda__", "config": {}}}]]),
    "class in short form": lambda: short([["Lambda", "x", {"function": "x"}]]),
    "kernels without numbers": lambda: sealed_header(json.dumps({"model": {}, "kernels": ["x"] * 10**5}).encode()),
    "numbers without end": lambda: sealed(
        VERSION, deflated(b'{"model":{},"kernels":["x"]}', zdict=WORDS) + bytes(10**7)
    ),
    "no model": lambda: crafted([1, 2]),
    "an initializer": lambda: crafted({"class_name": "Zeros", "module": "keras.initializers", "config": {}}),
}


def many_layers():
    config = described(keras.layers.ReLU())["config"]
    return config | {"layers": config["layers"][:1] + config["layers"][1:] * 5000}


def sealed_header(text):
    return sealed(VERSION, deflated(text, zdict=WORDS))


def many_numbers(kernels):
    """A file whose kernels have as many passes as they may."""
    bits, passes = header_bits.Writer(), [[[0] * 8, [1] * 3, 1, 2]] * header_bits.MOST
    for _ in range(kernels):
        header_bits.write(kernel(4, 3, codes=[[0] * 64] * 3 + passes), bits)
    text = json.dumps({"model": described(DENSE), "kernels": [str(number) for number in range(kernels)]})
    return sealed(VERSION, deflated(text.encode(), zdict=WORDS) + bits.content() + deflated(b""))


def small_file():
    return crafted(described(DENSE, Dense={"units": 2**14}, InputLayer=wide(2**13)), {"dense": kernel(2**13, 2**14)})


def flatten(count):
    return [["Flatten", f"flatten{number}"] for number in range(count)]


def short(layers):
    """A file with these layers in short form."""
    description = described(keras.layers.ReLU())
    text = {"model": description | {"config": description["config"] | {"layers": layers}}, "kernels": []}
    return sealed(VERSION, deflated(json.dumps(text).encode(), zdict=WORDS) + deflated(b""))


def memory(key):
    """MiB of this process: `VmRSS` now, `VmHWM` at most since it was last reset."""
    (line,) = re.findall(rf"{key}:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())
    return int(line) / 1024


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_before_they_cost_anything(make, monkeypatch):
    """In one line, without a call of anything that they name, soon, and within 200 MiB."""
    for name in ("system", "popen"):
        monkeypatch.setattr(f"os.{name}", lambda *args: pytest.fail("called"))
    content, began = make(), time.monotonic()
    measured = pathlib.Path("/proc/self/clear_refs").exists()
    if measured:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
    with pytest.raises(InputError, match="^x(:| is damaged:) ") as error:
        loading.built(loading.parsed(content, "x"))
    assert len(str(error.value).splitlines()) == 1 and time.monotonic() - began < 20
    assert not measured or memory("VmHWM") - before < 200


def test_committed_containers_hold_what_their_records_say():
    """One of each network and kind of weights."""
    folders = ("koster_table1_fcn_signed_elus", "koster_appendix_d_fcn_he_uniform", "koster_table12_conv2_signed_elus")
    for folder in (*folders, "reduced/koster_check_resnet20_signed_lr.3"):
        path = sorted(pathlib.Path(ROOT, "results", folder).glob("*.supermask"))[0]
        record = json.loads(path.with_suffix(".json").read_text())
        model = loading.load(path)
        found = {its.name: np.count_nonzero(its.kernel) for its in model.layers if hasattr(its, "kernel")}
        assert found == {its["name"]: its["counts"][0] + its["counts"][2] for its in record["layers"]}


def test_all_committed_codes_are_encoded_as_ever():
    paths = sorted(pathlib.Path(ROOT, "results").rglob("*.supermask"))
    assert len(paths) > 250
    for path in paths:
        contents, encoder = loading.read(path), constriction.stream.queue.RangeEncoder()
        for key, kernel in contents.kernels.items():
            header = contents.headers[key]
            assert coding.encode(np.sign(kernel.codes).reshape(header["view"]), encoder) == header["codes"], path
            assert (level_codes.encode(kernel.codes, encoder) or None) == header.get("levels"), path
        assert encoder.get_compressed().astype("<u4").tobytes() == contents.codes, path


# Files of earlier versions, as these wrote them: a masked layer with a bias, a ReLU, a layer without mask.
SECOND = base64.b85decode(
    "Q%zG#0-01PE!O>o?$r53qIcN$_VfV&0C?KHR84Q<Kn(paa~`22<fCxdQxCgR53Bt+Arv_o2SyzxbUtWl#eZKL0-_XYd#F&9Xgq%SJwMC5iB+%Ai0"
    "K<2qCqhgkLbV)DOv;G*A`ZM`5T`i+MvO3rnjA5@Q;S9KhFjS+Csy%f{Q4H3fndQpW^-x!G88ex7%wRo#`QrGqKxAVPK2Si|OpL=4i-Vl>TAYF+6b"
    "UUF8NsyR7{ZSl-M=V`Mo$={+$@;n(0iU3FkQHRNEiKy?ZSk{1H@>!5o}HXL%K^^*$k(GtOxw&6C8MymrET1WwH&>P@32x7EFVAG<<y3s^2D0qrM^"
    "M2jq>SJYg@bfMI!iT@tWVzdPyn>f{1191@H;oY&)XoNLZ+hlRMhOX7I`qrlsD1ne^K5Q9&+H54NgL5bZB(s!i!RrN$w;h4<5>#uXQT0%5UEUMDT_"
    "HvRmkf)OXTrM=W-tv!->ITI?WRLOeoIo_?^>rHm4H41vVz-p(qE>%%iDE`p?m?wAbh6g|7B-jcx`0adZayVCeVvBU0K2r<*vKMILs&Tk-xQuX{?Z"
    "I$RJ49jarEbFyz#kU&R^4$V`P6(x@z%Dl?*an)oQ<k+^DfT|LNN#2!t(pKXF%lxh(Tvi}9lPra<tEvu^DkkNG2D{t+1Lt+-J3#;d0C?JCU;u#zdm"
    "!NeL_pl&!0~ySU6-lb{%sO&_8-hr>;r-)+g;OHy3eCT)ZQX4ZU2Q;wfhu2#cdg&003W+69qVAfVcH1`Zf"
)
THIRD = base64.b85decode(
    "Q%zG#1F2>WYj!!zk0minr&I^;D}Dh00C?KHQ%#G)Kn(paa~{Mhx{GHo3m%sJIF(Y;Hr8R|R68?WUFm<{q*h@?SPvqlLnbei_mYr<T2}><njORlgl"
    "eX~um-2J$_boHEv&`)j@y9N8z4a{yELUd>QQ$_(};0jgRziFHeUzSs_^>_{!cRh;IP+<OuoOyvZM<9c%<4^D}p`NPR-)WoP!>@Nd00r!7l{*lQ{#"
    "QuTr-Hkr&%Qq^HSQ@0n36w}INRYYF7Ipc={&i}ST7*>PaC@usrerX$8$Z&Wx(%LG@-hR1X?SmU{&6RjZkrU5B~L&#VJX<BfYW`-$x1=|2T@t-a(J"
    "!O^--d^$>E<UfxsvlGF8g^*|6!55<$A~4D(_reT60YH3$U;^%x>ZF*cfZ3tvxm-ebccEJMr6TIks8^e%XJYl7Hg55NC7z-gWntx=}1rYBoV0v%DT"
    "owefpwAcehDzN${Ahc*w^Sdq>amC+r?2oPx0FDB>vUmel1y-H;}2+x`Oa#hD#J0001Z+GAh<fd+dZ;Q&NH+~C0Rd7539soVZ-5^nY%%u?(Ff+yQu"
    "(^<ODqeRr+A}($Jg;llt6g<Uk8K3|FUy&09IAnmgH4gkX>w4Z|"
)


@pytest.mark.parametrize("content, version", [(SECOND, 2), (THIRD, 3)])
def test_files_of_earlier_versions_are_read(content, version):
    """Oracles: what is drawn from the seed, and a size for each level; biases as they were set."""
    assert content[4] == version and loading.parsed(content, "x").size == len(content)
    first, _, last = loading.built(loading.parsed(content, "x")).layers
    kernel, drawn = np.asarray(first.kernel), np.asarray(He("uniform", seed=1)((6, 5)))
    if version == 2:
        np.testing.assert_array_equal(np.abs(kernel), np.abs(drawn) * (kernel != 0))
        assert np.count_nonzero(kernel) == 17
    else:
        assert [np.count_nonzero(np.abs(kernel) == size) for size in (0, 0.5, 1)] == [13, 11, 6]
    np.testing.assert_array_equal(first.bias, np.arange(5))
    assert last.units == 2 and float(last.kernel[0, 0]) == np.float32(0.29482293)


@pytest.fixture(scope="module")
def content():
    return container.packed(networks.build(Spec.of(model="fcn"), (8, 8, 3), 10))


def test_ten_thousand_damaged_files_are_refused(content):
    draw = np.random.default_rng(0)
    for number in range(10_000):
        damaged, place = bytearray(content), int(draw.integers(len(content)))
        if number % 4 < 2:
            damaged[place] ^= 1 << int(draw.integers(8))
        elif number % 4 == 2:
            damaged = damaged[:place]
        else:
            damaged.insert(place, int(draw.integers(256)))
        with pytest.raises(InputError, match=r"x (is damaged|is not a \.supermask file)"):
            loading.parsed(bytes(damaged), "x")


def test_files_with_a_right_checksum_and_wrong_content_are_refused_or_read(content, tmp_path):
    path, draw = tmp_path / "x.supermask", np.random.default_rng(1)
    for _ in range(300):
        body = bytearray(content[HEAD:])
        body[int(draw.integers(len(body)))] ^= 1 << int(draw.integers(8))
        path.write_bytes(sealed(VERSION, bytes(body)))
        try:
            assert loading.read(path).kernels  # other codes, where a bit of the codes was changed
        except InputError as error:
            assert str(error).startswith(f"{path}") and "\n" not in str(error)


def test_home_is_written_as_in_a_shell(content, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.supermask").write_bytes(content)
    assert loading.read("~/x.supermask").size == len(content)


def test_sizes_are_bounded_before_memory_is_taken(content, tmp_path):
    path = tmp_path / "x.supermask"
    path.write_bytes(content)
    with pytest.raises(InputError, match="weights, more than 1,000"):
        loading.read(path, most_weights=1000)


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.uint8, float])
def test_bounds_are_numbers_of_any_kind(kind, content):
    with pytest.raises(InputError, match="^x: it holds .* weights, more than 100"):
        loading.parsed(content, "x", most_weights=kind(100))


def test_what_is_read_is_bounded_by_the_size_of_the_file(content):
    """The arrays of a file of 100 KB are not inflated to 100 MiB; a file is refused as soon as its bound is passed."""
    made = crafted(described(DENSE), arrays=zeros(100))
    with pytest.raises(InputError, match=r"^x: it holds more than 1\d,\d{3},\d{3} numbers in 10\d,\d{3} bytes"):
        loading.parsed(made, "x")
    made = small_file()
    with pytest.raises(
        InputError, match=f"^x: it holds more than {2**24 + 2**14 * len(made):,} weights in {len(made)} bytes"
    ):
        loading.parsed(made, "x")
    with pytest.raises(InputError, match=r"^x is damaged: a header of more than 65,536 objects and lists"):
        loading.parsed(HOSTILE["objects"](), "x")


def test_weights_that_take_long_to_draw_are_stored(monkeypatch):
    """Oracle: the kernel. The bound is made small, since the decomposition that it bounds takes long."""
    model = keras.Sequential(
        [keras.Input((5,)), SignedMaskDense(6, weight_initializer=keras.initializers.Orthogonal(seed=1))]
    )
    kinds = []
    for most in (2**30, 5 * 6 * 5 - 1):
        monkeypatch.setattr(container_format, "MOST_PRODUCTS", most)
        contents = loading.parsed(container.packed(model), "x")
        kinds += [kernel.kind for kernel in contents.kernels.values()]
        np.testing.assert_array_equal(
            loading.built(contents).layers[0].kernel, conversion.strip_masks(model).layers[0].kernel
        )
    assert kinds == ["a mask and a seed", "a mask and the weights that are left"]


@pytest.mark.parametrize(
    "change", [{"draw": {"shape": [20000, 5000]}}, {"scale": float("nan")}, {"view": [1, 1, 1, 10**9]}]
)
def test_headers_that_lie_are_refused(change, tmp_path):
    """With a checksum that is right, as somebody could make it."""
    model = keras.Sequential([keras.Input((4,)), SignedMaskDense(3, weight_initializer=He("uniform", seed=1))])
    description, headers, rest = opened(VERSION, container.packed(model)[HEAD:])
    (kernel,) = headers.values()
    kernel |= {key: kernel[key] | value if isinstance(value, dict) else value for key, value in change.items()}
    path = tmp_path / "x.supermask"
    path.write_bytes(sealed(VERSION, headed(description, headers) + rest))
    with pytest.raises(InputError, match="is damaged"):
        loading.load(path)


def test_newer_versions_and_other_files_are_named(content, tmp_path):
    path = tmp_path / "x.supermask"
    path.write_bytes(sealed(VERSION + 1, content[HEAD:]))
    with pytest.raises(InputError, match=r"version 6, newer than 5; update"):
        loading.read(path)
    path.write_bytes(sealed(1, content[HEAD:]))
    with pytest.raises(InputError, match=r"version 1, which is not read any more; export its run again"):
        loading.read(path)
    with pytest.raises(InputError, match="cannot read .*none"):
        loading.read(tmp_path / "none")
