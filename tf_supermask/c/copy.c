static void copy(const FLASH layer *l, const $value *in, void *out)
{
    index unit, i;
    for (unit = 0; unit < l->units; unit++) {
@int8+bias         $place bias = l->bias ? l->bias[unit] : 0;
        for (i = 0; i < (index)l->y.outputs * l->x.outputs; i++)
@int8+bias             plane[i] = ($place)(in[unit * l->next + i * l->apart] + bias);
@int8+!bias             plane[i] = in[unit * l->next + i * l->apart];
@!int8             plane[i] = in[unit * l->next + i * l->apart];
        finish(l, unit, out);
    }
}
