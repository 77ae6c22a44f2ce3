"""The examples of the page, by name, and how to open one."""

from chapter14.lesson.examples import EXAMPLES

MODES = [*EXAMPLES, "data 0", "data 1"]


def to(tab, mode):
    name, *i = mode.split()
    tab.locator(f"#modes [value={name}]").click()
    if i:
        tab.select_option("#cost", i[0])
