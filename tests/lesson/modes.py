"""The examples of the page, by name, and how to open one."""

from chapter14.lesson.examples import EXAMPLES, neuron_of

MODES = [*EXAMPLES, "data 0", "data 1"]


def to(tab, mode):
    name, *i = mode.split()
    tab.locator(f"#modes [value={name}]").click()
    if i:
        tab.select_option("#cost", i[0])


def example_of(mode):
    name, *i = mode.split()
    return neuron_of(EXAMPLES[name], int(i[0])) if i else EXAMPLES[name]
