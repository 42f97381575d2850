static void dense(const FLASH layer *l, const $value *in, void *out)
{
    reader r;
    index unit;
    start(&r, l);
    for (unit = 0; unit < l->units; unit++) {
@int8+bias         int32_t sum = l->bias ? l->bias[unit] : 0;
@int8+!bias         int32_t sum = 0;
@!int8         float sum = 0;
        for (; r.at < l->inputs; advance(&r, l))
            sum = r.negative ? sum - in[r.at] : sum + in[r.at];
        r.at -= l->inputs;
        put(l, unit, sum, out, unit);
    }
}
