"""What rings for the jobs: a task says that it was rung for, and does what is due of one kind of work."""

import os

from celery import Task

from organizations import clock, jobs
from organizations.jobs import Work


def ring(task: "Task[..., int]", work: Work, *, begin: bool = True) -> int:
    """Do what is due of a kind of work. Returns for how many organizations it was done by this worker.

    :param begin: whether to begin a job if none is open, or only go on with one that was left
    """
    jobs.tick(task.name, now=clock.now())
    clock.keep()
    worker = f"{task.request.hostname or 'here'}/{os.getpid()}"
    run = jobs.run(work, now=clock.now, worker=worker, begin=begin)
    return run.done if run else 0
