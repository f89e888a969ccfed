### The waterfall of phases and its replay.

waterfall-title = Where the time goes
waterfall-intro = One median trial of each runtime, from the request on. Choose a phase to learn what happens in it.
waterfall-zoom = Zoom of the time axis
waterfall-zoom-in = Zoom in
waterfall-zoom-out = Zoom out
waterfall-zoom-all = All
waterfall-zoom-reset = Reset
waterfall-earlier = Earlier
waterfall-later = Later
waterfall-keys = keys: + − ← → 0
waterfall-calls = Calls
waterfall-why = Why it costs that
waterfall-removes = What removes it
waterfall-here = Here
waterfall-place = begins at { $begins }
waterfall-place-share = begins at { $begins }, { $percent } % of the start-up
waterfall-unknown = Nothing more is recorded about this phase.
waterfall-silent = Not seen from outside: the phases of { $runtimes }.
waterfall-longest = Only the { $count } longest phases of each are drawn.
waterfall-floor = The distance to the floor, what the bare kernel operations alone cost, is not measured in this run: run cargo bench.

replay-title = The same in slow motion
replay-intro = All runtimes get the request at the same moment. A microsecond here takes a millisecond at 1/1000.
replay-play = Play
replay-pause = Pause
replay-back = ‹ Back
replay-step = Step ›
replay-restart = Restart
replay-speed = Speed
replay-seek = Moment
replay-waiting = waiting
replay-finished = first output after { $time }
replay-caption = Each stripe is one phase of the median trial; the mark is the first output, where that runtime’s race ends. They were measured one after the other, never at once.
