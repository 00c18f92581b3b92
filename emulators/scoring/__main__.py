"""`python -m emulators.scoring serve|convert|prove-files`: the server, and models as ONNX."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Run one verb; the exit code is 3 when a deployment cannot boot."""
    options = _parser().parse_args(argv)
    if options.verb == "serve":
        return _serve(options)
    return _prove(options) if options.verb == "prove-files" else _convert(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulators.scoring")
    verbs = parser.add_subparsers(dest="verb", required=True)
    serve = verbs.add_parser("serve", help="serve a scoring script or a model")
    serve.add_argument("--entry-script", type=Path)
    serve.add_argument("--model-dir", type=Path)
    serve.add_argument("--app-root", type=Path)
    serve.add_argument("--mlflow-model", type=Path)
    serve.add_argument("--onnx", type=Path, help="folder made by convert for that model")
    serve.add_argument("--python", default=sys.executable)
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=5001)
    serve.add_argument("--workers", type=int, default=1)
    serve.add_argument("--log", type=Path, default=Path("/dev/stderr"))
    convert = verbs.add_parser("convert", help="turn an MLflow model into ONNX if it is the same")
    convert.add_argument("model", type=Path)
    convert.add_argument("out", type=Path)
    convert.add_argument("--json", action="store_true")
    prove = verbs.add_parser("prove-files", help="compare a converted model over CSV and Parquet")
    prove.add_argument("model", type=Path)
    prove.add_argument("onnx", type=Path, help="folder made by convert for that model")
    return parser


def _serve(options: argparse.Namespace) -> int:
    from emulators.kernel.workers import WorkerFailed
    from emulators.scoring.wire.serve import Deployment, serve

    deployment = Deployment(
        python=options.python,
        entry_script=options.entry_script,
        model_dir=options.model_dir,
        app_root=options.app_root,
        mlflow_model=options.mlflow_model,
        onnx=options.onnx,
        workers=options.workers,
        log=options.log,
    )
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    try:
        with runner:
            runner.run(serve(deployment, options.host, options.port))
    except WorkerFailed as error:
        sys.stderr.write(f"the deployment does not boot: {error}\n")
        return 3
    return 0


def _convert(options: argparse.Namespace) -> int:
    import json

    from emulators.scoring.engine.convert import convert

    outcome = convert(options.model, options.out)
    if options.json:
        sys.stdout.write(json.dumps(outcome.described()) + "\n")
    else:
        sys.stdout.write(f"{outcome}\n")
    return 0


def _prove(options: argparse.Namespace) -> int:
    import contextlib
    import json
    import warnings

    from emulators.scoring.engine.batch_proof import prove

    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = prove(options.model, options.onnx)
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
