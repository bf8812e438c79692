"""From an action to a job: ask for the plan, show it when it asks, start it for exactly the devices of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.actions import Action
from core.planning import Plan
from core.rpc import MakePlan, Selection, StartJob
from tui.console import GRACE_SECONDS, Console
from tui.screens.plan import Agreed, PlanDialog


@dataclass(frozen=True, slots=True)
class Subject:
    """What an action is for: the selection as the engine takes it, in words, and its devices."""

    selection: Selection
    words: str
    devices: tuple[int, ...]

    @classmethod
    def of(cls, devices: tuple[int, ...], words: str) -> Subject:
        """These devices."""
        return cls(Selection(devices=devices), words, devices)


NOTHING_SAID: Mapping[str, Any] = {}
"""Parameters as the catalogue presets them."""


async def start(
    app: Console, action: Action, subject: Subject, parameters: Mapping[str, Any] = NOTHING_SAID, typed: str = ""
) -> int | None:
    """The id of the job; None when there was nothing to do, or the operator did not agree.

    `typed`: a word that has to be typed to agree, where the plan itself does not ask for one.
    """
    plan = await app.call(MakePlan(action=action.name, selection=subject.selection, parameters=dict(parameters)))
    if not plan.devices:
        app.say(f"nothing to {action.label.lower()} on {subject.words}: {reasons(plan)}", bad=True)
        return None
    agreed: Agreed | None = Agreed(plan.parameters, None)
    if plan.asks or plan.typed or typed:
        hidden = sum(planned.device not in app.site.devices.position for planned in plan.devices)
        agreed = await app.push_screen_wait(PlanDialog(plan, action, subject.words, hidden, typed))
    if agreed is None:
        return None
    job = await app.call(
        StartJob(
            action=action.name,
            selection=subject.selection,
            parameters=dict(agreed.parameters),
            agreed=tuple(planned.device for planned in plan.devices),
            pause=agreed.pause,
            grace=0.0 if action.interactive and not plan.asks else GRACE_SECONDS,
        )
    )
    app.watch_job(job)
    return job


def reasons(plan: Plan) -> str:
    """Why devices are skipped, in one line."""
    if len(plan.skipped) == 1:
        return plan.skipped[0].reason
    return ", ".join(f"{count} {reason}" for reason, count in plan.reasons) or "there is no device in it"
