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
# # One life: why a bill was late
#
# In the simulated world everything is known: what a customer used, could pay, was told, and paid, and why a bill was
# late. None of it is about real people.

# %%

from earlywarn.plots import LifeDisplay
from earlywarn.simulate import World, outcomes

world = World("telecom", customers=1500, months=14, seed=2)
life = world.live()
truth = life.truth()
truth.groupby("cause").size().rename("bills").to_frame().T

# %% [markdown]
# ## Somebody who forgets
#
# Above: what was used. In the middle: means, with paydays; below 0 a usual bill cannot be paid. Below: each bill from
# its issue to its payment, with the due day as a mark; what was late is red and says why.

# %%
late = truth[truth["late"]]
forgetful = late[late["cause"] == "forgot"]["customer_id"].value_counts().index[0]
LifeDisplay(**life.of(forgetful)).plot()

# %% [markdown]
# ## Somebody whose income fell away

# %%
short = late[late["cause"] == "income_loss"]["customer_id"].value_counts().index[0]
LifeDisplay(**life.of(short)).plot()

# %% [markdown]
# ## A bill far above the usual one

# %%
shock = late[late["cause"].isin(["bill_shock", "dispute"])]["customer_id"].value_counts().index[0]
LifeDisplay(**life.of(shock)).plot()

# %% [markdown]
# ## What would have helped
#
# The same customers with the same luck under three actions: the difference is what the action caused.

# %%
effects = outcomes(life, "2025-03-10")
effects = effects.merge(truth[["invoice_id", "cause"]], on="invoice_id")
effects["helped by a notice"] = effects["late_none"] - effects["late_notice"]
effects["helped by a call"] = effects["late_none"] - effects["late_call"]
by_cause = effects.groupby("cause")
by_cause[["helped by a notice", "helped by a call"]].mean().round(2).assign(bills=by_cause.size())
