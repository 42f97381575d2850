static $place plane[$plane]; /* one unit at all places */

@pool /* The largest of a window; or its sum: of one beyond the border as if it were full. */
@pool static $sum pooled(const FLASH layer *l, index y, index x)
@pool {
@pool     index top = y * l->y.step, left = x * l->x.step;
@pool     index bottom = top + l->y.window - l->y.lead, right = left + l->x.window - l->x.lead;
@pool     $sum best;
@pool     top = top > l->y.lead ? top - l->y.lead : 0;
@pool     left = left > l->x.lead ? left - l->x.lead : 0;
@pool     bottom = bottom < l->y.outputs ? bottom : l->y.outputs;
@pool     right = right < l->x.outputs ? right : l->x.outputs;
@pool+!average     best = plane[top * l->x.outputs + left];
@average     best = l->average ? 0 : plane[top * l->x.outputs + left];
@pool     for (y = top; y < bottom; y++)
@pool         for (x = left; x < right; x++) {
@pool             $sum value = plane[y * l->x.outputs + x];
@average             if (l->average)
@average                 best += value;
@average             else if (value > best)
@pool+!average             if (value > best)
@pool                 best = value;
@pool         }
@padded+int8     if (l->average && (bottom - top) * (right - left) < (index)l->y.window * l->x.window)
@padded+int8         best = best * ((int32_t)l->y.window * l->x.window) / (int32_t)((bottom - top) * (right - left));
@average+!int8     if (l->average)
@average+!int8         best /= (float)((bottom - top) * (right - left));
@pool     return best;
@pool }
@pool
static void finish(const FLASH layer *l, index unit, void *out)
{
@!pool     index places = (index)l->y.outputs * l->x.outputs, i;
@pool     index places = (index)l->y.pooled * l->x.pooled, y, x;
@!spread     index at = unit * places;
@spread     index at = l->last ? unit : unit * places, stride = l->last ? l->units : 1;
@average     if (l->average)
@average         for (y = 0; y < (index)l->y.outputs * l->x.outputs; y++)
@average             plane[y] = activated(l, unit, plane[y]);
@!pool     for (i = 0; i < places; i++) {
@!pool         $sum sum = plane[i];
@pool     for (y = 0; y < l->y.pooled; y++)
@pool         for (x = 0; x < l->x.pooled; x++) {
@pool             $sum sum = pooled(l, y, x);
@average+int8             if (l->average) {
@average+int8                 sum = scaled(sum, l->average_factor, l->average_shift);
@average+int8                 if (l->last)
@average+int8                     ((int32_t *)out)[at] = sum;
@average+int8                 else
@average+int8                     ((int8_t *)out)[at] = clipped(sum);
@average+int8             } else
@average+!int8             if (l->average)
@average+!int8                 ((float *)out)[at] = sum;
@average+!int8             else
            put(l, unit, sum, out, at);
@!spread             at++;
@spread             at += stride;
        }
}
