"""A script that answers with Flask's own response."""

# mypy: ignore-errors

from flask import Response, jsonify, request


def init():
    pass


def run(data):
    if data == "jsonify":
        return jsonify(a=1, path=request.path)
    response = Response("made", status=207, mimetype="text/plain")
    response.headers["X-Own"] = "1"
    response.headers["x-request-id"] = "mine"
    return response
