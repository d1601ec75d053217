"""Where the emulator's behaviour differs from AWS's and this application depends on it.

Each module closes one gap. It opens with what AWS documents, replaces plain functions of the
emulator in `install()` (`machine_role` and `put_events` are asked by `task_state`, `flow_runs` by
`appflow`), and has contract tests in `tests/`: when those pass without the module, the emulator has
learnt it and the module can go.
"""

from gaps import (
    appflow,
    callback_authorization,
    deployment,
    event_targets,
    execution_end,
    history,
    item_writes,
    machine_logs,
    missing_objects,
    put_events,
    queue_loops,
    queue_mapping_role,
    redrive,
    retry_and_catch,
    secure_loopback,
    task_state,
    task_tokens,
)


def close() -> None:
    """Closes every gap. To be called once, before the emulator serves its first request."""
    for gap in (
        history,
        machine_logs,
        task_tokens,
        task_state,
        retry_and_catch,
        execution_end,
        redrive,
        callback_authorization,
        queue_mapping_role,
        queue_loops,
        deployment,
        event_targets,
        item_writes,
        missing_objects,
        put_events,
        appflow,
        secure_loopback,
    ):
        gap.install()
