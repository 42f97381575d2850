@int8 /* sum * factor / 2^shift, rounded. The shift is of a number without a sign: C leaves that of others open. */
@int8 static int32_t scaled(int32_t sum, $factor factor, uint8_t shift)
@int8 {
@int8     uint32_t half = UINT32_C(0x80000000) + ((uint32_t)1 << (shift - 1));
@int8     return (int32_t)(((uint32_t)sum * (uint32_t)factor + half) >> shift) - (int32_t)(half >> shift);
@int8 }
@int8
@int8+hidden static int8_t clipped(int32_t sum)
@int8+hidden {
@int8+hidden     return (int8_t)(sum > 127 ? 127 : sum < -128 ? -128 : sum);
@int8+hidden }
@int8+hidden
static $sum linear(const FLASH layer *l, index unit, $sum sum)
{
@factors     $factor factor = l->factors[l->each ? unit : 0];
@!factors     $factor factor = l->factor;
@int8     (void)unit;
@int8     return scaled(sum, factor, l->shift);
@!int8+bias     return sum * factor + (l->bias ? l->bias[unit] : 0);
@!int8+!bias     (void)unit;
@!int8+!bias     return sum * factor;
}

@hidden static $value activated(const FLASH layer *l, index unit, $sum sum)
@hidden {
@hidden     sum = linear(l, unit, sum);
@hidden+int8+table     if (sum < 0 && l->below) {
@hidden+int8+table+!coarse         sum = -1 - sum;
@hidden+coarse         sum = (-1 - sum) >> l->coarse;
@hidden+int8+table         return l->table[sum < l->below ? sum : l->below - 1];
@hidden+int8+table     }
@hidden+int8     return clipped(sum);
@hidden+!int8+!active     return sum;
@hidden+!int8+active+!exponential     return l->active && sum < 0 ? 0 : sum;
@exponential     return l->active && sum < 0 ? l->alpha * (expf(sum) - 1.0f) : sum;
@hidden }
@hidden
static void put(const FLASH layer *l, index unit, $sum sum, void *out, index at)
{
@hidden     if (!l->last)
@hidden         (($value *)out)[at] = activated(l, unit, sum);
@hidden     else
@hidden         (($sum *)out)[at] = $last(l, unit, sum);
@!hidden     (($sum *)out)[at] = linear(l, unit, sum);
}
