"""The API description of a scoring script, in the versions its schema allows."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any, Dict, List, Optional

from .script import Script, is_decorated
from .settings import Settings

logger = logging.getLogger("azmlinfsrv.swagger")
VERSIONS: Dict[str, List[str]] = {"2": ["2", "2.0"], "3": ["3", "3.0"], "3.1": ["3.1"]}
HEALTHY = "If service is up and running, this response will be returned with the content 'Healthy'"


class UnknownVersion(Exception):
    """404: no such version, or none for this script."""


class Swagger:
    """The documents of one deployment, made once."""

    def __init__(self, settings: Settings, script: Script) -> None:
        self._settings = settings
        self._documents: Dict[str, Any] = {}
        self.supported: List[str] = []
        skipped: List[str] = []
        for version, aliases in VERSIONS.items():
            document = self._given(version) or self._made(version, aliases, script)
            if document is None:
                skipped.append(version)
                continue
            self.supported.append(version)
            self._documents.update(dict.fromkeys(aliases, document))
        self._report(skipped)

    def get(self, version: str) -> Any:
        """Return the document of one version.

        Raises:
            UnknownVersion: there is none; the message names those there are.
        """
        supported = ", ".join(self.supported)
        if all(version not in aliases for aliases in VERSIONS.values()):
            raise UnknownVersion(
                f"Swagger version [{version}] is not valid. Supported versions: [{supported}]."
            )
        if not self._documents.get(version):
            raise UnknownVersion(
                f"Swagger version [{version}] is not supported for the scoring script. "
                f"Supported swagger versions: [{supported}]."
            )
        return self._documents[version]

    def _report(self, skipped: List[str]) -> None:
        made = ", ".join(self.supported)
        if made and skipped:
            logger.info(
                "Swaggers are prepared for versions [%s] and skipped for versions [%s].",
                made,
                ", ".join(skipped),
            )
        elif made:
            logger.info("Swaggers are prepared for the following versions: [%s].", made)
        else:
            logger.info("No swagger is prepared.")

    def _given(self, version: str) -> Optional[Any]:
        names = [f"swagger{version}.json"]
        if version == "2":
            names.insert(0, "swagger.json")
        for name in names:
            path = os.path.join(self._settings.app_root, name)
            if os.path.isfile(path):
                with open(path, encoding="utf-8") as file:
                    document = json.load(file)
                logger.info("Loaded user's swagger file for version [%s] from %s", version, path)
                if document:
                    return document
        return None

    def _made(self, version: str, aliases: List[str], script: Script) -> Optional[Any]:
        given: Any = {"type": "object", "example": {}}
        returned: Any = given
        if script.schemas is not None:
            if not set(aliases) & set(script.schemas["versions"]):
                return None
            given, returned = script.schemas["input"], script.schemas["output"]
        schemas: Any = script.schemas is None and sys.modules.get("inference_schema.schema_util")
        if schemas:
            if not set(aliases) & set(schemas.get_supported_versions(script.run)):
                return None
            if is_decorated(script.run):
                given = schemas.get_input_schema(script.run)
                returned = schemas.get_output_schema(script.run)
        if version == "2":
            return _version_2(self._settings, given, returned)
        number = "3.0.3" if version == "3" else "3.1.0"
        return _version_3(self._settings, number, given, returned)


def _info(settings: Settings) -> Dict[str, str]:
    name = settings.service_name
    return {
        "title": name,
        "description": f"API of the machine learning service {name}",
        "version": settings.service_version,
    }


def _paths(settings: Settings, health: Any, score: Any, spec: Any) -> Dict[str, Any]:
    prefix = settings.service_path_prefix.strip("/")
    prefix = f"/{prefix}" if prefix else ""
    return {
        f"{prefix}/": {"get": health},
        f"{prefix}/score": {"post": score},
        f"{prefix}/swagger.json": {"get": spec},
    }


def _operation(name: str, description: str, **more: Any) -> Dict[str, Any]:
    return dict({"operationId": name, "description": description}, **more)


ERROR = {"type": "object", "properties": {"message": {"type": "string"}}}
SECURITY: List[Any] = [{"Bearer": []}]
BEARER = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "description": "For example: Bearer abc123",
}


def _version_2(settings: Settings, given: Any, returned: Any) -> Dict[str, Any]:
    def answers(description: str, schema: Any, **more: Any) -> Dict[str, Any]:
        failed = {"description": "The service failed", "schema": _ref2("ErrorResponse")}
        return {
            "200": dict({"description": description, "schema": schema}, **more),
            "default": failed,
        }

    text = {"type": "string"}
    health = _operation(
        "ServiceHealthCheck",
        "Tell whether the service is up.",
        responses=answers(HEALTHY, text, examples={"application/json": "Healthy"}),
    )
    payload = {
        "name": "serviceInputPayload",
        "in": "body",
        "description": "What the model is asked.",
        "schema": _ref2("ServiceInput"),
    }
    score = _operation(
        "RunMLService",
        "Run the model.",
        security=SECURITY,
        parameters=[payload],
        responses=answers("What the model answered.", _ref2("ServiceOutput")),
    )
    version = {
        "name": "version",
        "in": "query",
        "required": False,
        "type": "integer",
        "enum": [2, 3],
    }
    spec = _operation(
        "GetSwaggerSpec",
        "This description.",
        parameters=[version],
        responses=answers("The description.", text),
    )
    return {
        "swagger": "2.0",
        "info": _info(settings),
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"Bearer": BEARER},
        "paths": _paths(settings, health, score, spec),
        "definitions": {"ServiceInput": given, "ServiceOutput": returned, "ErrorResponse": ERROR},
    }


def _ref2(name: str) -> Dict[str, str]:
    return {"$ref": f"#/definitions/{name}"}


def _version_3(settings: Settings, number: str, given: Any, returned: Any) -> Dict[str, Any]:
    def content(kind: str, schema: Any) -> Dict[str, Any]:
        return {kind: {"schema": schema}}

    def ref(name: str) -> Dict[str, str]:
        return {"$ref": f"#/components/schemas/{name}"}

    def answers(description: str, kind: str, schema: Any) -> Dict[str, Any]:
        failed = {
            "description": "The service failed",
            "content": content("application/json", ref("ErrorResponse")),
        }
        return {
            "200": {"description": description, "content": content(kind, schema)},
            "default": failed,
        }

    text = {"type": "string"}
    health = _operation(
        "ServiceHealthCheck",
        "Tell whether the service is up.",
        responses=answers(HEALTHY, "text/plain", dict(text, example="Healthy")),
    )
    score = _operation(
        "RunMLService",
        "Run the model.",
        security=SECURITY,
        requestBody={
            "description": "What the model is asked.",
            "content": content("application/json", ref("ServiceInput")),
        },
        responses=answers("What the model answered.", "application/json", ref("ServiceOutput")),
    )
    version = {
        "name": "version",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "enum": [2, 3]},
    }
    spec = _operation(
        "GetSwaggerSpec",
        "This description.",
        parameters=[version],
        responses=answers("The description.", "text/plain", text),
    )
    return {
        "openapi": number,
        "info": _info(settings),
        "security": SECURITY,
        "paths": _paths(settings, health, score, spec),
        "components": {
            "schemas": {"ServiceInput": given, "ServiceOutput": returned, "ErrorResponse": ERROR},
            "securitySchemes": {"Bearer": BEARER},
        },
    }
