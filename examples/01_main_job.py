# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The main job: from billing tables to a plan
#
# Tables → Ledger → features → calibrated risk → reasons → recommended action. The tables here are generated: a
# small telecom biller with usage, invoices, payments that come back, contacts and regions. Yours go in the
# same way.

# %%
import pandas as pd

import earlywarn as ew

tables = ew.simulate.make_biller(customers=600, months=14, seed=3, dirty=True)
pd.Series({name: len(table) for name, table in tables.items()}, name="rows").to_frame()

# %% [markdown]
# ## 1 The ledger
#
# Tables are checked, payments are settled against invoices, and every row becomes a *dated fact*: when it
# happened, and when it became known. Rows that cannot be used are set aside and listed, never dropped in silence.

# %%
ledger = ew.Ledger.from_tables(**tables)
ledger

# %%
ledger.faults

# %% [markdown]
# The books can be cut at any moment: this is what was known on the first of May 2025.

# %%
ledger.known_before("2025-05-01")

# %% [markdown]
# ## 2 What is predicted
#
# An *obligation* is money a debtor is expected to pay on a day. It is observed seven days before that day, while it
# is open, and labelled once the outcome can be known. A direct debit may come back days later, so it matures later.

# %%
outcome = ew.Outcome(grace_days=3, lead_days=7)
observations = outcome.observations(ledger)
observations.head()

# %%
resolved = outcome.resolve(ledger, observations)
resolved["reason"].fillna("known").value_counts()

# %% [markdown]
# ## 3 Features
#
# A feature is a line of text: windows over facts known strictly before `as_of`. The catalogue has about sixty;
# one of your own is one more line.

# %%
own = [
    ew.Feature(
        "contact_inbound_count_90d",
        value="count(contacts, days=90, where=direction == 'inbound')",
        unit="contacts",
        family="contacts",
        evidence="signal",
        text={"en": "the customer contacted us {value|number} times in the last 90 days"},
    )
]
features = ew.FeatureSet.default() + own
matrix = features.compute(ledger, observations)
matrix.shape

# %% [markdown]
# Nothing looks ahead: everything rebuilt on data cut at `as_of` is the same.

# %%
ew.audit_leakage(features, ledger, observations.sample(300, random_state=0))

# %% [markdown]
# ## 4 Is it any good?
#
# Trained on the past, tested on what came after, beside the simple rules that everybody has.

# %%
result = ew.backtest(features, outcome, ledger, folds=3)
result.overall()[["scorer", "rows", "base_rate", "auc", "ap", "log_loss", "mean_p"]].round(3)

# %% [markdown]
# ## 5 The model and its reasons

# %%
late = outcome.label(ledger, observations)
model = ew.RiskModel(features, random_state=0).fit(
    matrix, late, as_of=observations["as_of"], groups=observations["customer_id"]
)
riskiest = model.predict_proba(matrix)[:, 1].argsort()[-1:]
codes = model.reason_codes(matrix.iloc[riskiest], top=None, language="en")
codes[["family", "contribution", "text"]].round(2)

# %%
ew.plots.ReasonDisplay.from_arrays(model.base_log_odds_, list(codes["text"]), codes["contribution"]).plot()

# %% [markdown]
# ## 6 The plan
#
# Risk is no reason to contact somebody. The policy looks at holds, disputes and consents first, then at what the
# history and the signals say, then at capacity. Everybody who is left in peace has a reason too.

# %%
scorer = ew.Scorer(features, outcome, model, ew.Policy.default())
plan = scorer.recommend(ledger, capacity={"calls": 10, "notices": 40}, language="en")
plan.groupby(["action", "exclusion"], dropna=False).size().rename("debtors").to_frame()

# %%
ew.plots.WorklistDisplay.from_plan(plan).plot()
