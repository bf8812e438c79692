"""What happens from a key to a request: ask, show, do. Each flow runs as one worker of the app.

Loaded when an operator first starts one, as `flows.jobs`.
"""

from typing import TYPE_CHECKING

from tui.lazy import on_first_use

if TYPE_CHECKING:
    from tui.flows import actions as actions
    from tui.flows import copying as copying
    from tui.flows import devices as devices
    from tui.flows import groups as groups
    from tui.flows import images as images
    from tui.flows import jobs as jobs
    from tui.flows import licenses as licenses
    from tui.flows import monitoring as monitoring
    from tui.flows import ports as ports
    from tui.flows import practice as practice
    from tui.flows import saving as saving
    from tui.flows import selections as selections
    from tui.flows import starting as starting
    from tui.flows import undo as undo
else:
    __getattr__ = on_first_use(__name__)
