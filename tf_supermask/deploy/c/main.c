/* $title: prints the classes of images from standard input, each ${NAME}_INPUTS values of $read. */
#include <stdio.h>
@standardize #include <math.h>
#include "$name.h"

@int8 static int8_t quantized(float value)
@int8 {
@int8     value /= ${NAME}_INPUT_SCALE;
@int8     value += value < 0 ? -0.5f : 0.5f;
@int8     return (int8_t)(value >= 127 ? 127 : value > -128 ? value : -128);
@int8 }
@int8
int main(void)
{
    static $read pixels[${NAME}_INPUTS];
@prepare     static $value image[${NAME}_INPUTS];
    static $sum outputs[${NAME}_OUTPUTS];
    size_t count;
    while ((count = fread(pixels, sizeof *pixels, ${NAME}_INPUTS, stdin)) == ${NAME}_INPUTS) {
@standardize         double mean = 0, deviation = 0;
@prepare         int i;
@standardize         for (i = 0; i < ${NAME}_INPUTS; i++)
@standardize             mean += pixels[i] / (double)${NAME}_INPUTS;
@standardize         for (i = 0; i < ${NAME}_INPUTS; i++)
@standardize             deviation += (pixels[i] - mean) * (pixels[i] - mean);
@standardize         deviation = sqrt(deviation < 1 ? 1.0 / ${NAME}_INPUTS : deviation / ${NAME}_INPUTS);
@prepare         for (i = 0; i < ${NAME}_INPUTS; i++)
@prepare             image[i] = $prepared;
        printf("%d\n", ${name}_run($image, outputs));
    }
    if (count != 0) {
        fprintf(stderr, "error: the last image has %lu of %d values\n", (unsigned long)count, ${NAME}_INPUTS);
        return 2;
    }
    return 0;
}
