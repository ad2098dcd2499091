"""What the functions of a formatter do, a module per group. Pure; names and options are in ``workflows.steps.formatter_functions``."""
