"""Bytes of C structures, counted by hand."""

import pytest

from tf_supermask.deploy.c_sizes import structures

TEXT = """
typedef unsigned index;
typedef struct {
    uint8_t inputs, kernel; /* two; of them */
    uint16_t step;
} axis;
typedef struct {
    const FLASH uint8_t *code; /* of all units; one after the other */
    uint8_t form;
    uint16_t units;
    axis y, x;
    uint8_t last;
} layer;
"""


@pytest.mark.parametrize("pointer, layer", [(2, 16), (4, 20), (8, 24)])
def test_fields_begin_at_multiples_of_their_sizes(pointer, layer):
    assert structures(TEXT, pointer) == {"axis": 4, "layer": layer}
