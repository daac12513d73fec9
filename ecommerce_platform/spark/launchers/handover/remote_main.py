"""The entry point of a step's own process: reads the step's reference, runs the step, writes its events.

What belongs here: this one process. What does not: who started it and what they make of its end.

Run by spark-submit as a file, with two arguments: the step's folder in the scratch location, and the SHA-256 of the step's
reference. Whoever can write to scratch cannot write those arguments, so a reference of another digest is not even parsed. It ends
with 0 when the step said that it succeeded and every event is written, with 1 when the step failed, and with 2 when it could not
be run at all.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback

if __name__ == "__main__" and not __package__:
    # Python puts a script's folder first on its path; these modules must not stand in for others of the same name.
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]  # noqa: PTH100,PTH120

#: The process that waits for this one; when it is gone, nobody reads the events of this one any more.
LAUNCHER_PID = "ECOMMERCE_STEP_LAUNCHER_PID"

SUCCEEDED, FAILED, NOT_RUN = 0, 1, 2


def run_step(folder_uri: str, reference_digest: str) -> int:
    """Runs the step whose reference lies in the folder and has this digest; the process's exit code."""
    from dagster import DagsterInstance, run_step_from_ref

    from ecommerce_platform.settings import load_settings
    from ecommerce_platform.spark.launchers.handover.scratch import STEP_FILE, EventWriter, Scratch
    from ecommerce_platform.spark.launchers.handover.step_ref import ForeignStepError, decode_step

    settings = load_settings()
    scratch = Scratch(folder_uri, settings.s3)
    reference = scratch.read(STEP_FILE)
    if reference is None:
        print(f"there is no {STEP_FILE} in {folder_uri}: launcher and driver see different places", file=sys.stderr)
        return NOT_RUN
    try:
        step = decode_step(reference, reference_digest, settings.spark.code_location)
    except ForeignStepError as error:
        print(f"{STEP_FILE} in {folder_uri} is not the step that was launched: {error}", file=sys.stderr)
        return NOT_RUN
    writer = EventWriter(scratch)
    succeeded = False
    with DagsterInstance.ephemeral() as instance:
        instance.add_event_listener(step.run_id, writer.put)
        for event in run_step_from_ref(step, instance):
            succeeded = succeeded or event.is_step_success
    writer.close()
    return SUCCEEDED if succeeded else FAILED


def end_with_launcher(pid: int, interval: float = 1.0) -> None:
    """Ends this process once the launcher is gone: a run that is started again must not meet this one's writes."""
    waiting = threading.Event()

    def watch() -> None:
        while not waiting.wait(interval):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                os._exit(NOT_RUN)
            except PermissionError:
                return

    threading.Thread(target=watch, name="launcher-watch", daemon=True).start()


def main(arguments: list[str]) -> int:
    """The exit code."""
    if len(arguments) != 2:
        print(
            "expected two arguments: the step's folder in the scratch location, its reference's SHA-256",
            file=sys.stderr,
        )
        return NOT_RUN
    if launcher := os.environ.get(LAUNCHER_PID):
        end_with_launcher(int(launcher))
    from ecommerce_platform.execution.ending import asked, ending_in_time

    try:
        with ending_in_time():
            return run_step(*arguments)
    except BaseException as error:
        if (number := asked()) is not None:
            print(f"{number.name}: asked to end before the step had", file=sys.stderr)
        elif isinstance(error, Exception):
            traceback.print_exc()  # any error belongs in the log and in the exit code
        else:
            raise
        return NOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
