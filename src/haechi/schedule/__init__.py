"""When things happen: the plan's words ("daily 02:00", "every 6h", "0 2 * * *"), time zones and durations.

Pure: it is told what time it is. `parse("sunday 03:00").next_fire(after, zone)` is most of it.
"""

from haechi.schedule.duration import parse_duration, say_duration
from haechi.schedule.window import Window
from haechi.schedule.words import Schedule, parse

__all__ = ["Schedule", "Window", "parse", "parse_duration", "say_duration"]
