"""What publishing in Azure would reject, found before anything is published or run."""

from emulators.datafactory.engine.validation.pipelines import Rules, validate
from emulators.datafactory.engine.validation.problems import Problem

__all__ = ["Problem", "Rules", "validate"]
