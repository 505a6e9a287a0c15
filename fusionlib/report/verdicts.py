"""The claims ledger and the record's numbers, as people and tests read them."""

import pandas as pd


def verdicts(ledger: pd.DataFrame) -> pd.DataFrame:
    """A row a claim and test set, a column a metric: effect, interval, verdict."""
    cells = ledger.assign(
        cell=[
            f"{row.verdict} {row.effect:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
            for row in ledger.itertuples()
        ]
    )
    metrics = list(dict.fromkeys(cells["metric"]))
    keys = pd.MultiIndex.from_frame(cells[["claim", "test_set"]].drop_duplicates())
    table = cells.pivot(index=["claim", "test_set"], columns="metric", values="cell")
    return table.loc[keys, metrics].fillna("").rename_axis(columns=None)


def count(ledger: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How many comparisons of each claim have which verdict."""
    counted = ledger.groupby("claim", sort=False)["verdict"].value_counts().unstack(fill_value=0)
    return {claim: {k: int(v) for k, v in row.items()} for claim, row in counted.iterrows()}


def numbers(comparison: pd.DataFrame) -> dict[str, float]:
    """Our means by "test set, row, metric", rounded to four decimals."""
    found = {}
    for row in comparison.itertuples():
        name = f"{row.mode} {row.trainable}" if row.trainable else row.mode
        found[f"{row.test_set}, {name}, {row.metric}"] = round(row.ours, 4)
    return found
