### The page around its charts and tables, and the terminal's edition.

page-title = What isolation costs here: isobench report
page-heading = What isolation costs on this machine
page-interrupted = Interrupted: the run was stopped before its plan was done; what it had measured until then is here.
page-no-trial = The results hold no trial.
page-missing = Not measured in this run: { $what }.
page-rows = { $count ->
    [one] 1 row
   *[other] { $count } rows
}
page-as-table = { $title }, as a table
page-method = How it was measured
page-definitions = Definitions and their limits: docs/method.md in the source of isobench.
page-again = Run it again
page-seed = { $tool }, seed { $seed }. The seed fixes the order of the trials, not the times.
page-raw = Raw data
page-data = This page carries its data with it: { $what }.
page-save = Save the data as JSON

data-whole = every trial, as in results.json
data-rows = one row of numbers per trial; phases and counters of each are in results.json beside this page
data-summary = medians and intervals only, since the trials are too many for a page: all are in results.json beside it

missing-start-up = start-up times
missing-phases = phases of the start-up
missing-memory = memory
missing-computing = computing
missing-work = memory work and system calls
missing-exits = VM exits

terminal-no-trial = No trial was run.
terminal-report = Report: { $path }
terminal-first-lines = { $all } lines, the first { $shown } of them:

page-sections = Sections
page-theme = Light / dark
section-phases = Phases
section-replay = Slow motion
section-crossings = Crossings

isolation-title = Isolation, demonstrated
isolation-text = What a sandbox sees of its host, and which of the kernel’s entry points it reaches.
scale-title = Scale
scale-text = How many sandboxes live at once on this host, and what the next one costs.

raw-round = Round
raw-counts = Counts
raw-user = CPU, user
raw-system = CPU, kernel
raw-shown = shown, of
page-filter = Show in the charts:
reference-title = Reference points
reference-text = The tools that people use, on this host, with the same program and under the same clock.
