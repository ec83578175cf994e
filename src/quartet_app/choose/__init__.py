"""Answer which net is right for some data, at this cost: `quartet choose`.

`question` reads what is asked, `timetable` shares the time out equally to the nets, `search` tunes each net by a sweep
and trains the winner again, `answer` evaluates these runs and says which net to take, and `choose` does all in order.
"""
