"""Tasks: each builds a model and owns its loss and its metrics, in a file of its own.

`task` is the abstract task, `examples` keeps scores of single examples. `decoding` and `scores` serve translation and
text. `adversarial`, `noise`, `judge`, `fid` and `gallery` serve generation.
"""

from quartet.tasks.classify import Classify
from quartet.tasks.generate import Generate
from quartet.tasks.language import Language
from quartet.tasks.task import Task
from quartet.tasks.translate import Translate

__all__ = ["Classify", "Generate", "Language", "Task", "Translate"]
