"""A raw script that uses the common surface of the request."""

# mypy: ignore-errors

import json

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request: AMLRequest):
    makers = {
        "json": lambda: AMLResponse({"n": request.get_json()["n"]}, 200, json_str=True),
        "bytes": lambda: AMLResponse(
            request.get_data(), 200, {"Content-Type": "image/x-own", "X-L": "a, b,c"}
        ),
        "error": lambda: AMLResponse("broken", 503),
        "teapot": lambda: AMLResponse("short", 418),
        "none": lambda: AMLResponse(None, 202),
        "plain": lambda: {"plain": True},
        "newline": lambda: AMLResponse("x", 200, {"X-Bad": "a\r\nX-Injected: 1"}),
    }
    what = request.args.get("do")
    return makers[what]() if what in makers else describe(request)


def describe(request):
    return json.loads(
        json.dumps(
            {
                "method": request.method,
                "path": request.path,
                "query": request.query_string.decode(),
                "args": {key: request.args.getlist(key) for key in request.args},
                "type": request.content_type,
                "mimetype": request.mimetype,
                "is_json": request.is_json,
                "body": request.get_data().decode("latin-1"),
                "form": request.form.to_dict(),
                "files": {k: [f.filename, f.read().decode()] for k, f in request.files.items()},
                "header": request.headers.get("x-mine"),
                "length": request.content_length,
                "silent": request.get_json(silent=True),
                "cookies": dict(request.cookies),
            }
        )
    )
