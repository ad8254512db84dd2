"""Who is contacted and who is left in peace: gates, the history and signal table, capacity, the plan.

Knows no model: risk and reasons reach it as columns.
"""
