"""Small models as teams save them with MLflow, each made once in a test session."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def people(rows: int = 400) -> tuple[pd.DataFrame, Any]:
    """A table of four columns and a target that depends on three of them."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 60, rows),
            "income": random.normal(50_000, 10_000, rows).round(2),
            "dept": random.choice(["sales", "hr", "it"], rows).astype(object),
            "over time": random.choice(["Yes", "No"], rows).astype(object),
        }
    )
    target = ((frame.age < 35) & (frame["over time"] == "Yes")) | (
        (frame.dept == "hr") & (frame.income > 55_000)
    )
    return frame, target.astype(int)


def _columns(unknown: str = "ignore", text_steps: Any = ()) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    text = make_pipeline(*text_steps, OneHotEncoder(handle_unknown=unknown))
    return ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), ["age", "income"]),
            ("texts", text, ["dept", "over time"]),
        ]
    )


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    imputer = SimpleImputer(strategy="constant", fill_value="none")
    return make_pipeline(
        _columns(text_steps=[imputer]), RandomForestClassifier(20, max_depth=6, random_state=0)
    )


def scaled() -> Any:
    """Whole numbers, scaled, before trees: rows often lie at a threshold, midway between two."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["age", "income"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["dept", "over time"]),
        ]
    )
    return make_pipeline(columns, RandomForestClassifier(30, random_state=0))


def strict() -> Any:
    """Unknown categories are an error."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        _columns("error"), StandardScaler(with_mean=False), LogisticRegression(max_iter=500)
    )


def named_labels() -> Any:
    """Labels that are words, numbers only, no column transformer."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())


def regression() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_columns(), GradientBoostingRegressor(n_estimators=20, random_state=0))


class Centred:
    """Not row-wise: what it answers for a row depends on the rows it comes with."""

    def fit(self, x: Any, y: Any) -> Centred:
        return self

    def predict(self, x: Any) -> Any:
        values = np.asarray(x, dtype=float)[:, 0]
        return values - values.mean()


def save(
    folder: Path, model: Any, *, numbers: bool = False, labels: Any = None, **more: Any
) -> Path:
    """Fit and save one model."""
    frame, target = people()
    if numbers:
        frame = frame[["age", "income"]]
    fitted = model.fit(frame, target if labels is None else labels(target))
    return save_fitted(folder, fitted, frame, **more)


def save_fitted(folder: Path, fitted: Any, frame: pd.DataFrame, **more: Any) -> Path:
    """Save one model; `frame` gives its signature and example unless `more` does."""
    import mlflow

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more.setdefault("signature", mlflow.models.infer_signature(frame, fitted.predict(frame)))
        more.setdefault("input_example", frame.head(3))
        mlflow.sklearn.save_model(
            fitted,
            str(folder),
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
            **more,
        )
    return folder


MODELS: dict[str, Callable[[Path], Path]] = {
    "forest": lambda folder: save(folder, forest()),
    "scaled": lambda folder: save(folder, scaled()),
    "forest without example": lambda folder: save(folder, forest(), input_example=None),
    "probabilities": lambda folder: save(folder, forest(), pyfunc_predict_fn="predict_proba"),
    "strict": lambda folder: save(folder, strict()),
    "words": lambda folder: save(
        folder, named_labels(), numbers=True, labels=lambda y: np.where(y == 1, "leaves", "stays")
    ),
    "regression": lambda folder: save(folder, regression(), labels=lambda y: y * 2.5 + 1),
    "centred": lambda folder: save(folder, Centred(), numbers=True),
    "no signature": lambda folder: save(folder, forest(), signature=None, input_example=None),
}
