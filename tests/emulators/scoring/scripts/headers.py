"""A plain script that takes the headers too."""

# mypy: ignore-errors


def init():
    pass


def run(data, request_headers):
    assert isinstance(request_headers, dict)
    names = ("X-Mine", "Content-Type", "X-Ms-Request-Id", "X-Twice", "Content-Length")
    names += ("X-Under_Score", "X-Under-Score")
    return {"data": data, "headers": {name: request_headers.get(name) for name in names}}
