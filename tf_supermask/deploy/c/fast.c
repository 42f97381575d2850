/* A dense layer whose code has a byte for up to four neighbours of one sign, and for how far it is to the next ones. */
static void fast(const FLASH layer *l, const $value *in, void *out)
{
    const FLASH uint8_t *next = l->code;
    index unit, at = l->low;
    for (unit = 0; unit < l->units; unit++) {
@int8+bias         int32_t sum = l->bias ? l->bias[unit] : 0;
@int8+!bias         int32_t sum = 0;
@!int8         float sum = 0;
        while (at < l->inputs) {
            unsigned now = *next++;
            const $value *x = in + at;
            $sum part;
            at += now >> 3;
            if (now < 8) {
                at += 31 * (now + 1);
                continue;
            }
            part = x[0];
            if (now & 6) {
                part += x[1];
                if (now & 4) {
                    part += x[2];
                    if (now & 2)
                        part += x[3];
                }
            }
            sum = now & 1 ? sum - part : sum + part;
        }
        at -= l->inputs;
        put(l, unit, sum, out, unit);
    }
}
