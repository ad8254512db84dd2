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
# # A probability to rely on
#
# How good is the model, how sure is that, and what do its probabilities mean? A made-up biller; on your own tables the
# same lines work.

# %%
import logging

import earlywarn as ew

logging.getLogger("earlywarn").setLevel(logging.ERROR)
ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=600, months=16, seed=4))
features, outcome = ew.FeatureSet.default(), ew.Outcome(grace_days=3, lead_days=(14, 7))

# %% [markdown]
# ## What it would have been worth
#
# Time is cut into stretches. Before each the model learns only from what had matured by then. Simple rules stand beside
# it, and what a test on rows drawn by lot would have claimed: it lets a model learn from the future.

# %%
result = ew.backtest(features, outcome, ledger, folds=2, capacity=0.1)
result

# %% [markdown]
# `money` is the share of the open amounts of late bills that the highest tenth of scores holds, `warned_days` how many
# days before due they were first among them. The mean probability may be one point off, or two standard errors; the
# interval of the slope must meet 0.9 to 1.1.

# %%
result.calibration().round(3)

# %%
result.gain().plot()

# %%
result.reliability().plot()

# %% [markdown]
# `result.to_html("backtest.html")` writes a page with all of it; from the command line it is
# `earlywarn backtest data/ --out backtest.html`.
#
# ## A rival that fits on paper
#
# A scorecard: few features, in bins, with points that anybody can add. The same interface, the same reasons.

# %%
card = ew.train(features, outcome, ledger, model=ew.Scorecard(max_features=6), days=False).model
card.table().head(12).round(2)

# %%
ew.backtest(features, outcome, ledger, folds=2, model=ew.Scorecard(), random_split=False).overall()[
    ["scorer", "auc", "log_loss", "lift"]
].round(3)

# %% [markdown]
# ## Everything in one scorer
#
# `train` learns the risk, when bills are paid, and how often groups of customers pay late. `rests_on` says what a
# probability rests on.

# %%
scorer = ew.train(features, outcome, ledger)
scores = scorer.score(ledger)
scores.groupby(["status", "rests_on"], dropna=False)[["p_late", "p_low", "p_high"]].mean().round(3)

# %% [markdown]
# ## How often groups pay late
#
# A thin group is drawn towards the one it lies in; the interval says how little is known of it.

# %%
scorer.base_rates.table().head(8).round(3)

# %% [markdown]
# ## What comes in, and what waiting may cost

# %%
open_bills, days = scorer.pay_days(ledger)
days.cash(open_bills["open_amount"], customers=open_bills["customer_id"]).round({"expected": 0}).head(8)

# %%
exposure = scorer.exposure(ledger, after=(0, 14, 30))
exposure.groupby("date")[["owed", "accrued", "use", "exposure", "exposure_low", "exposure_high"]].sum().round(0)
