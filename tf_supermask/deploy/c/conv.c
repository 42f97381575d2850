typedef struct {
    index first, end;
} range;

/* The outputs along an axis for which a place of the kernel lies on the input. */
static range reach(const FLASH axis *a, index place)
{
    index first = a->before > place ? a->before - place : 0;
    index end = a->before + a->inputs > place ? a->before + a->inputs - place : 0;
    range found;
@strides     first = (first + a->stride - 1) / a->stride;
@strides     end = (end + a->stride - 1) / a->stride;
    found.first = first;
    found.end = end < a->outputs ? end : a->outputs;
    return found;
}

/* One weight, at all places. */
static void spread(const FLASH layer *l, const $value *in, index down, index across, uint8_t negative)
{
    range y = reach(&l->y, down), x = reach(&l->x, across);
    for (; y.first < y.end; y.first++) {
        index row = y.first * l->y.stride + down - l->y.before, column = x.first * l->x.stride + across - l->x.before;
        index from = (row * l->x.inputs + column) * l->apart, to = y.first * l->x.outputs, end = to + x.end;
        for (to += x.first; to < end; to++, from += (index)l->x.stride * l->apart)
            plane[to] = ($place)(negative ? plane[to] - in[from] : plane[to] + in[from]);
    }
}

static void conv(const FLASH layer *l, const $value *in, void *out)
{
    reader r;
    index unit, i, channel, down, across;
    start(&r, l);
    for (unit = 0; unit < l->units; unit++) {
@int8+bias         $place bias = ($place)(l->bias ? l->bias[unit] : 0);
        for (i = 0; i < (index)l->y.outputs * l->x.outputs; i++)
@int8+bias             plane[i] = bias;
@int8+!bias             plane[i] = 0;
@!int8             plane[i] = 0;
        i = 0;
        for (channel = 0; channel < l->channels; channel++)
            for (down = 0; down < l->y.kernel; down++)
                for (across = 0; across < l->x.kernel; across++, i++)
                    if (r.at == i) {
                        spread(l, in + (index)(channel * l->next), down, across, r.negative);
                        advance(&r, l);
                    }
        r.at -= i;
        finish(l, unit, out);
    }
}
