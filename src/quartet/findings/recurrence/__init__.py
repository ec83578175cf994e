"""Put the statements about recurrent nets to the test.

The measurements are `any_length` (R1), `meaning` (R2), `one_step_at_a_time` (R3), `next_word` (R4), `forgetting` (R5)
and `step_time` (R6). `text` reads held-out text, `kneser_ney` counts n-grams, `sentences` makes sentences, `nets` has
the names and colours of the nets, `path` and `nearness` draw.
"""

from quartet.findings.recurrence.any_length import any_length
from quartet.findings.recurrence.forgetting import forgetting
from quartet.findings.recurrence.meaning import meaning
from quartet.findings.recurrence.next_word import next_word
from quartet.findings.recurrence.one_step import one_step_at_a_time
from quartet.findings.recurrence.step_time import step_time

__all__ = ["any_length", "forgetting", "meaning", "next_word", "one_step_at_a_time", "step_time"]
