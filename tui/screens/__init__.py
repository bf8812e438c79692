"""The screens, views and dialogs: one file each.

Loaded when they are first opened, as `screens.job`.
"""

from typing import TYPE_CHECKING

from tui.lazy import on_first_use

if TYPE_CHECKING:
    from tui.screens import device as device
    from tui.screens import events as events
    from tui.screens import first as first
    from tui.screens import groups as groups
    from tui.screens import history as history
    from tui.screens import images as images
    from tui.screens import job as job
    from tui.screens import jobs as jobs
    from tui.screens import licenses as licenses
    from tui.screens import order_picker as order_picker
    from tui.screens import pages as pages
    from tui.screens import ports as ports
    from tui.screens import theme_picker as theme_picker
else:
    __getattr__ = on_first_use(__name__)
