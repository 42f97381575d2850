/* $title
$about
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <stdint.h>

#define ${NAME}_INPUTS $inputs /* $shape */
#define ${NAME}_OUTPUTS $outputs
#define ${NAME}_CONSTANTS $constants /* bytes of weights and tables, with pointers of 4 bytes; instructions come on top */
#define ${NAME}_RAM $ram /* bytes of static buffers */
@int8 #define ${NAME}_INPUT_SCALE $input_scale /* image = round(input / scale), within -128..127 */
@int8 #define ${NAME}_OUTPUT_SCALE $output_scale /* logit = output * scale */

#ifdef __cplusplus
extern "C" {
#endif

/* From one image to $outputs outputs, before any softmax; returns the number of the largest. Not for two threads at a time. */
int ${name}_run(const $value *image, $sum *outputs);

#ifdef __cplusplus
}
#endif

#endif
