"""What is done to jobs: retry, stop, tell how they ended."""

from __future__ import annotations

from core.models import Job, TaskState
from core.rpc import CancelJob, RetryJob
from core.store import views
from tui.console import GRACE_SECONDS, Console
from tui.screens.ask import ConfirmDialog
from tui.text import clean, plural
from tui.widgets.bottom_lines import job_name


async def retry_job(app: Console, job: Job) -> None:
    """The same again for what failed or was cancelled."""
    if not job.failed + job.cancelled:
        app.say(f"job {job.id} has nothing to retry: no device failed or was cancelled")
        return
    app.watch_job(await app.call(RetryJob(job=job.id, grace=GRACE_SECONDS)))


async def cancel_job(app: Console, job: Job) -> None:
    """Stop a job, after asking unless nothing of it was sent yet."""
    if job.waits(app.clock.now()):
        await app.call(CancelJob(job=job.id))
        return
    left = job.queued + job.running
    if not left:
        app.say(f"job {job.id} has ended already")
        return
    text = f"{plural(left, 'device')} left; {job.running} of them stop at their next step, none is left half done."
    if await app.push_screen_wait(ConfirmDialog(f"Stop {job.title}", text, f"Stop {left}", "Go on")):
        await app.call(CancelJob(job=job.id))


async def tell_outcome(app: Console, job: Job) -> None:
    """Say how a job of this console ended."""
    if job.cancelled == job.total and job.finished_at is not None and job.finished_at < job.not_before:
        app.say(f"{job_name(job)} cancelled: nothing was sent")
        return
    if job.total == 1:
        tasks = await views.tasks(app.store, job.id)
        task = next(task for task in tasks if task.state is not TaskState.SKIPPED)
        what = job.title if job.subject else f"{job.title} {task.name}"
        app.say(f"{clean(what)}: {clean(task.reason or task.state.value)}", bad=bool(job.failed))
        return
    parts = [f"{job.done} of {job.total} done"]
    parts += [f"{count} {word}" for count, word in ((job.failed, "failed"), (job.cancelled, "cancelled")) if count]
    more = "; J shows which" if job.failed else ""
    app.say(f"{clean(job.title)}: {', '.join(parts)}{more}", bad=bool(job.failed))
