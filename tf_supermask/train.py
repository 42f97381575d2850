"""Trains the experiments that the flags of `main` describe: what loads TensorFlow, after the flags are checked."""

import dataclasses
import functools
import os
import time

import tensorflow as tf
from absl import flags, logging

from tf_supermask.deploy.saved_model import export_saved_model
from tf_supermask.errors import InputError
from tf_supermask.evidence import results, tables
from tf_supermask.experiments import device, flag_files, modes, records, runs
from tf_supermask.papers.koster import reported as koster_reported
from tf_supermask.papers.zhou import reported as zhou_reported
from tf_supermask.scheduling import cluster, jobs, local, run_flags, scheduler, status
from tf_supermask.scheduling.progress import ConsoleReporter, Progress, silent

FLAGS = flags.FLAGS


def silence_warnings():
    """Hides warnings of TensorFlow and tensorflow-datasets unless TF_CPP_MIN_LOG_LEVEL is set below 3."""
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3":
        tf.get_logger().setLevel("ERROR")  # warns of retracing when several runs share a process
        logging.set_verbosity(logging.ERROR)  # tensorflow-datasets logs what it reads


def set_up(threads, deterministic, number, count):
    """Configures TensorFlow in process `number` of `count`."""
    silence_warnings()
    device.set_up(threads, deterministic, number, count)


def jobs_of(experiments, folder):
    """The Jobs of Experiments, the cheapest and most informative first, whose results lie in `folder`."""
    pairs = [(experiment, spec) for experiment in experiments for spec in experiment.specs]
    if len(experiments) > 1:
        pairs = flag_files.in_order(experiments, jobs.cost)
    return [jobs.job_of(experiment.name, spec, folder, experiment.listed) for experiment, spec in pairs]


def train_jobs(todo, options):
    """Trains jobs that are not done. Returns a scheduler.Failed if some fail, else None."""
    jobs.prepare(todo)
    plan = jobs.plan_of(todo, time.time())
    load = functools.partial(jobs.load, FLAGS.data_dir, FLAGS.cache_dir)
    with status.Planned(todo[0].run.results_dir, plan):
        ready = scheduler.supplied(todo, load)
        if ready and run_flags.in_this_process(FLAGS):
            reporter = ConsoleReporter(ready, plan)
            scheduler.run_all(ready, scheduler.Scheduler(load, options, plan.began), reporter.begin, reporter.end)
        elif ready:
            with Progress(ready, plan) as progress:
                train_elsewhere(ready, load, dataclasses.replace(options, log=silent, progress=0), plan.began, progress)
    return scheduler.failures(todo, plan.began)


def train_elsewhere(ready, load, options, began, progress):
    """Trains jobs on a Ray cluster, or in several processes on this machine."""
    if FLAGS.executor == "ray":
        return cluster.run(
            ready, load, options, began, FLAGS.ray_address, run_flags.threads(FLAGS), FLAGS.gpus_per_run, progress
        )
    count = min(FLAGS.jobs, len(ready))
    setting = functools.partial(set_up, run_flags.threads(FLAGS), FLAGS.deterministic, count=count)
    context = local.context_of(device.has_gpu())
    local.run(ready, scheduler.Scheduler(load, options, began), count, setting, progress, context)


def export_all(done):
    """Writes the networks of finished jobs as SavedModels."""
    for job in done:
        folder = os.path.join(FLAGS.export_dir, f"{job.run.experiment}_seed{job.run.seed}")
        print(f"exported to {export_saved_model(runs.load_run(job.run.record), folder)}")


def is_done(job):
    return records.find(job.run, job.spec) is not None


def train_all(experiments, folder):
    """Trains all runs that are not done, exports networks and prints results. Raises InputError if runs fail."""
    silence_warnings()
    run_flags.check_machine(FLAGS)
    if run_flags.in_this_process(FLAGS):
        device.set_up(run_flags.threads(FLAGS), FLAGS.deterministic)
    else:
        device.without_gpu()
    ordered = jobs_of(experiments, folder)
    results.check_folder(ordered[0].run.results_dir, ordered[0].spec.scale)
    if FLAGS.export_dir and not all(modes.of(job.spec).exportable for job in ordered):
        raise InputError(
            "--export_dir is for trained masks and baselines; lottery tickets and supermasks keep no network"
        )
    todo = [job for job in ordered if not is_done(job)]
    for job in ordered:
        if job not in todo:
            print(f"{job.name}: done before", flush=True)
    failed = train_jobs(todo, run_flags.options(FLAGS)) if todo else None
    if FLAGS.export_dir:
        export_all(filter(is_done, ordered))
    if failed:
        raise failed
    if len(experiments) == 1:
        finished = [records.find(job.run, job.spec) for job in ordered]
        print(f"\n{tables.result(finished, (koster_reported.PAPER | zhou_reported.PAPER).get(experiments[0].name))}")
