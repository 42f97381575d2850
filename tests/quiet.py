"""How the runs of tests are executed."""

from tf_supermask.experiments import training

# A loop of steps takes half as long again to trace: where it matters, a test asks for it.
QUIET = training.Options(
    progress=0, log=lambda line: None, checkpoint_seconds=0, jit_compile=False, steps_per_execution=1
)
