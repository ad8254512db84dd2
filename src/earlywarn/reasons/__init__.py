"""Why a score is what it is: contributions in log-odds, families, and sentences in the reader's language.

Works on a booster and a catalogue; knows no RiskModel.
"""
