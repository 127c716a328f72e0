"""The kinds of teachers, each with the parameters that a configuration gives it; free of imports, as `studies` is."""

TEACHERS = {
    "single_index": ("direction",),
    "two_index": ("high", "low", "share"),
    "multi_modal": ("direction", "modes"),
    "hierarchical": ("coarse", "fine", "share"),
}
