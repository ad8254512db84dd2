"""The probability that an obligation is paid late: trained on earlier time, calibrated on later time."""
