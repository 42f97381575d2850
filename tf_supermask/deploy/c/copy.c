static void copy(const FLASH layer *l, const $value *in, void *out)
{
    index unit, i;
    for (unit = 0; unit < l->units; unit++) {
        for (i = 0; i < (index)l->y.outputs * l->x.outputs; i++)
            plane[i] = in[unit * l->next + i * l->apart];
        finish(l, unit, out);
    }
}
