/* $title: see $name.h. */
#include "$name.h"
@exponential #include <math.h>

#if defined(__AVR__)
#define FLASH __flash /* constants stay in program memory */
#else
#define FLASH
#endif

typedef $index index;

@plane typedef struct {
@conv     $small inputs, kernel, stride, before; /* of the convolution: places of the input, and zeros before them */
@plane     $small outputs;
@pool     $small window, step, lead, pooled; /* of the pooling, and how many places that makes */
@plane } axis;
@plane
typedef struct {
@weights     const FLASH uint8_t *code; /* weights of all units, one after the other */
@coded     uint8_t form; /* how they are coded */
@weights     uint8_t low;
@bias     const FLASH $bias *bias; /* of each unit; 0: none */
@factors     const FLASH $factor *factors; /* of each unit, or one for all */
@factors     uint8_t each;
@!factors     $factor factor;
@int8     uint8_t shift;
@int8+table     uint8_t below; /* how many values below zero have a place in the table; 0: they stay */
@int8+table     const FLASH int8_t *table;
@coarse     uint8_t coarse; /* 2^coarse values have one place */
@!int8+active     uint8_t active; /* 1: ReLU or ELU */
@exponential     float alpha;
    uint8_t last;
    $size units;
@flat     $size inputs; /* of a unit */
@plane     $size channels, next, apart; /* of the input: from channel to channel, and from place to place */
@plane     axis y, x;
@pool     uint8_t average;
@average+int8     uint8_t average_shift;
@average+int8     uint16_t average_factor;
} layer;
