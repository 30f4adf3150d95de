"""What runs by itself: schedules, durable runs and the workers that carry them out.

    timetable   what is due and when (pure)
    ledger      what has been started, paused and cancelled, and who is alive: a few tables beside the engine's own
    database    the engine's database, as it has to be opened
    flows       what a run is: durable workflows and their steps, on DBOS
    crew, hand  the processes that do the steps, and how they are asked and ended
    worker      takes runs off the queues, for as long as it lives
    room        how many of them at once on this host
    handing     portions of a run that its hand gives to other workers
    scheduler   puts runs into the queues when they are due
    door, caller  one-shot commands that go through the daemon
    wire        events, errors and results as JSON, on their way between these

Importing this room imports nothing of the engine's library: only `flows` and `worker` do.
"""
