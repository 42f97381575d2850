int ${name}_run(const $value *image, $sum *outputs)
{
    int best = 0, i;
$calls
    for (i = 1; i < ${NAME}_OUTPUTS; i++)
        if (outputs[i] > outputs[best])
            best = i;
    return best;
}
