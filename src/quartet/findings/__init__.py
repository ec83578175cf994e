"""Put statements about architectures to the test: measurements of trained models, and the rules of their verdicts."""

from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.rule import Condition, Verdict, verdict

__all__ = ["Condition", "Measured", "Number", "Trained", "Verdict", "verdict"]
