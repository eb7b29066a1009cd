"""Trackers as monitors: TensorBoard, Weights & Biases and MLflow, on local files and without network.

What goes in and when stands in `moopt.monitors.tracker`; here is how each tool takes it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

from moopt.core.checks import InputError
from moopt.core.status import Status
from moopt.monitors.tracker import Facts, Rows, Tracker
from moopt.run.result import Result

METRICS = 1000  # in one call: what MLflow takes

Mode = Literal["offline", "disabled"]


class TensorBoard(Tracker):
    """Event files in `folder`, to look at with `tensorboard --logdir folder`.

    A run of TensorBoard is a folder, and equal tags share a chart: each independent run has a folder of its own, never
    one that another search made. Parameters stand under HPARAMS, front and status under TEXT, the picture under
    IMAGES. A resumed search adds a file. Raises ImportError without tensorboard.
    """

    _packages = ("tensorboard",)

    def _open(self, name: str, facts: Facts, known: str | None) -> tuple[str, Any]:
        from torch.utils.tensorboard.summary import hparams

        place, number = self.folder / (known or name), 1
        while known is None and place.exists():
            number += 1
            place = self.folder / f"{name}-{number}"
        place.mkdir(exist_ok=True)
        file = place / f"events.out.tfevents.{time.time_ns()}.moopt"  # read in the order of their names
        experiment, begun, _ = hparams(facts, {"hypervolume": 0.0})
        self._write(file, {"file_version": "brain.Event:2"}, {"summary": experiment}, {"summary": begun})
        return place.name, file

    def _log(self, run: Any, rows: Rows) -> None:
        from torch.utils.tensorboard.summary import scalar

        self._write(run, *({"step": step, "summary": scalar(k, v)} for step, row in rows for k, v in row.items()))

    def _show(self, run: Any, step: int, result: Result, picture: Any) -> None:
        from torch.utils.tensorboard.summary import hparams, image, text

        head, *lines = result.to_dataframe().to_csv(index=False, sep="|", float_format="%.6g").splitlines()
        table = "\n".join([head, "|".join(["---"] * (head.count("|") + 1)), *lines])
        ended = hparams({}, {})[2]
        summaries = [text("front", table), text("status", f"{result.status}: {result.message}"), ended]
        if picture is not None:
            summaries.append(image("front", picture, dataformats="HWC"))
        self._write(run, *({"step": step, "summary": summary} for summary in summaries))

    def _end(self, run: Any, status: Status | None) -> None:
        """No file stays open between two visits."""

    def _write(self, file: Path, *events: dict[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from torch.utils.tensorboard import RecordWriter

        with open(file, "ab") as stream:
            for event in events:
                RecordWriter(stream).write(Event(wall_time=time.time(), **event).SerializeToString())


class WandB(Tracker):
    """Offline runs of Weights & Biases in `folder`; `wandb sync folder/wandb/offline-run-*` sends them later.

    There, seeds are compared as runs of a group: each independent run is a run, all of a search have a group. A
    resumed search adds a folder of the same run id, which `wandb sync` joins. `mode`: "offline", or "disabled" to
    write nothing. Nothing about the machine is recorded, since that asks the network. A kill loses the last row
    and those of the last second. Raises ImportError without wandb, ValueError for another mode.
    """

    _packages = ("wandb",)
    _environment = {"WANDB_ERROR_REPORTING": "false"}

    def __init__(self, folder: str | Path, project: str = "moopt", mode: Mode = "offline") -> None:
        super().__init__(folder)
        if mode not in ("offline", "disabled"):
            raise InputError(f"mode: expected 'offline' (wandb sync sends it later) or 'disabled', got {mode!r}")
        self.project, self.mode = project, mode

    def _open(self, name: str, facts: Facts, known: str | None) -> tuple[str, Any]:
        import wandb

        settings = wandb.Settings(
            console="off", silent=True, disable_git=True, disable_code=True, save_code=False, symlink=False,
            x_disable_stats=True, x_disable_machine_info=True, x_save_requirements=False,
            x_transaction_log_flush_interval=1.0,  # its default loses what came 15 s before a kill
        )  # fmt: skip
        run = wandb.init(
            dir=self.folder, project=self.project, mode=self.mode, id=known or f"{self._key}-{len(self._ids)}",
            name=name, resume="allow" if known else None, group=f"{name.rpartition('-')[0]}-{self._key}", config=facts,
            reinit="create_new", settings=settings,
        )  # fmt: skip
        return run.id, run

    def _log(self, run: Any, rows: Rows) -> None:
        for step, row in rows:
            run.log(row, step=step)

    def _show(self, run: Any, step: int, result: Result, picture: Any) -> None:
        import wandb

        table = result.to_dataframe()
        rows = table.to_numpy(object).tolist()  # a third of the time of dataframe=
        shown: dict[str, Any] = {"front": wandb.Table(list(table), rows, allow_mixed_types=True)}
        if picture is not None:
            shown["picture"] = wandb.Image(picture)
        run.log(shown, step=step)
        run.summary.update({"status": str(result.status), "message": result.message})

    def _end(self, run: Any, status: Status | None) -> None:
        failed = status is None or status is Status.FAILED
        run.finish(exit_code=255 if status is Status.INTERRUPTED else int(failed))  # 255: wandb's own after Ctrl-C


class MLflow(Tracker):
    """Runs of MLflow in `folder`; `mlflow ui --backend-store-uri sqlite:///folder/mlflow.db` shows them.

    There, a search is a row that unfolds: independent runs are children of the run of all, and a single one stands
    alone. A resumed search goes on in its runs. `experiment`: made unless it is there. MLflow's active run and
    tracking URI are not touched. The package mlflow-skinny is enough to write. Raises ImportError without it.
    """

    _packages = ("mlflow", "sqlalchemy", "alembic")
    _environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",  # it asks the network
        "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # no file stays open between two visits
        "MLFLOW_LOGGING_LEVEL": "WARNING",  # a new store tells of its tables
    }

    def __init__(self, folder: str | Path, experiment: str = "moopt") -> None:
        super().__init__(folder)
        self.experiment = experiment
        self._client: Any = None

    def _open(self, name: str, facts: Facts, known: str | None) -> tuple[str, Any]:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        client = self._client = MlflowClient(f"sqlite:///{(self.folder / 'mlflow.db').as_posix()}")
        if known is not None:
            client.update_run(known, status="RUNNING")
            return known, known
        found = client.get_experiment_by_name(self.experiment)
        place = (self.folder / "artifacts").as_uri()
        experiment = found.experiment_id if found else client.create_experiment(self.experiment, place)
        parent = {"mlflow.parentRunId": self._ids[0]} if self._ids else {}
        id = client.create_run(experiment, run_name=name, tags=parent).info.run_id
        client.log_batch(id, params=[Param(key, str(value)) for key, value in facts.items()])
        return id, id

    def _log(self, run: Any, rows: Rows) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for step, row in rows for key, value in row.items()]
        for i in range(0, len(metrics), METRICS):
            self._client.log_batch(run, metrics[i : i + METRICS])

    def _show(self, run: Any, step: int, result: Result, picture: Any) -> None:
        self._client.log_text(run, result.to_dataframe().to_csv(index=False), "front.csv")
        if picture is not None:
            self._client.log_image(run, picture, "front.png")
        self._client.set_tag(run, "status", str(result.status))
        self._client.set_tag(run, "message", result.message)

    def _end(self, run: Any, status: Status | None) -> None:
        failed = status is None or status is Status.FAILED
        word = "FAILED" if failed else "KILLED" if status is Status.INTERRUPTED else "FINISHED"
        self._client.set_terminated(run, word)
