"""What each draw of a bill, or of the day of a contact, decides: its number in the hash of the draw."""

(
    ATTEND, PUT_AWAY, REMEMBER, DISPUTES, SOLVED, UPHELD, OTHER_RETURN, WAIT, REMINDER, AGREES, KEEPS, PARTS, ASKS,
    READ, REACHED, RESOLVES, ACCEPTS, LEAVES, SATISFIED, ANSWERS, WINDOW, BOUNCES, VIEWS, QUESTION, HEEDS,
) = range(500, 525)  # fmt: skip
