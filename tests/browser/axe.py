"""What axe finds on a page, and whether it is broader than the window: in light, in dark, and on a phone."""

from pathlib import Path
from typing import Any

import axe_playwright_python

from tests.browser.desk import DARK, LIGHT, PHONE, Desk, View

AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text()
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLOURS = ["color-contrast", "link-in-text-block"]
"""What a scheme may change, and a narrow window does not."""
RULES: dict[View, dict[str, Any]] = {
    LIGHT: {"runOnly": LEVELS},
    DARK: {"runOnly": {"type": "rule", "values": COLOURS}},
    PHONE: {"runOnly": LEVELS, "rules": {rule: {"enabled": False} for rule in COLOURS}},
}
RUN = """async (options) => {
    const found = (await axe.run(document, {...options, resultTypes: ["violations"]})).violations;
    return found.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 200)}`));
}"""


def faults(staff: Desk) -> list[str]:
    """Return what is wrong with the page that is open, which is looked at in each way."""
    staff.page.evaluate(AXE)
    found = []
    for view, rules in RULES.items():
        staff.look(view)
        found += [f"{view}: {fault}" for fault in staff.page.evaluate(RUN, rules)]
        if staff.is_overflown():
            found.append(f"{view}: broader than the window")
    staff.look(LIGHT)
    return found
