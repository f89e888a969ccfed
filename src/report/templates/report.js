"use strict";

// All that a page says is in it without this script, which adds what moves: zoom, replay, the other language, the raw
// trials. It holds no words of its own: they stand in the page.

/** Sets up the body of one language. */
function begin(main) {
  document.documentElement.classList.add("scripted");
  for (const button of main.querySelectorAll(".languages button")) {
    button.addEventListener("click", () => show(button.dataset.language));
  }
  main.querySelector("#theme").addEventListener("click", changeTheme);
  main.querySelector("#save").addEventListener("click", save);
  for (const svg of main.querySelectorAll("svg[data-axis]")) readout(svg);
  for (const button of main.querySelectorAll(".filter button")) {
    button.addEventListener("click", () => {
      if (!hidden.delete(button.dataset.slot)) hidden.add(button.dataset.slot);
      filter(main);
    });
  }
  filter(main);
  const waterfall = main.querySelector(".waterfall");
  if (waterfall) zoomable(waterfall, main.querySelector("#phases .controls"));
  const replay = main.querySelector(".replay");
  if (replay) replayable(replay);
  rawTrials(main);
}

// ---- language, theme, data ------------------------------------------------------------------------

/** Puts the body of a language in the place of the present one, which is kept for the way back. */
function show(language) {
  const root = document.documentElement;
  const wanted = document.querySelector(`template[data-language="${language}"]`);
  if (!wanted) return;
  const kept = document.createElement("template");
  kept.dataset.language = root.lang;
  kept.dataset.title = document.title;
  const main = document.querySelector("main");
  main.dispatchEvent(new Event("leave"));
  kept.content.append(main);
  root.lang = language;
  document.title = wanted.dataset.title;
  wanted.replaceWith(kept);
  document.body.prepend(wanted.content);
  const next = document.querySelector("main");
  if (next.dataset.begun) filter(next);
  else begin(next);
  next.dataset.begun = "yes";
  document.querySelector(`.languages [data-language="${language}"]`).focus();
}

/** From light to dark and back. */
function changeTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

/** Saves the data that the page carries. */
function save() {
  const data = new Blob([document.getElementById("data").textContent], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = "isobench-data.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// ---- which runtimes are shown ---------------------------------------------------------------------

/** Colours of the runtimes that the reader has hidden, in whichever language. */
const hidden = new Set();

/** Takes hidden runtimes out of sight: their colour in every chart, their lanes in the waterfall and the replay. */
function filter(main) {
  for (const button of main.querySelectorAll(".filter button")) {
    const slot = button.dataset.slot;
    button.setAttribute("aria-pressed", !hidden.has(slot));
    for (const chart of main.querySelectorAll(".chart")) {
      if (hidden.has(slot)) chart.style.setProperty(`--runtime-${slot}`, "transparent");
      else chart.style.removeProperty(`--runtime-${slot}`);
    }
  }
  for (const lane of main.querySelectorAll(".lane")) lane.hidden = hidden.has(lane.dataset.slot);
}

// ---- numbers --------------------------------------------------------------------------------------

/** A time in microseconds with up to three digits: 466 µs, 1.21 ms. */
function time(us) {
  if (us === 0) return "0 µs";
  const [size, unit] = [[1e6, "s"], [1e3, "ms"], [1, "µs"]].find(([size]) => Math.abs(us) >= size * 0.9995) ?? [1e-3, "ns"];
  return `${Number((us / size).toPrecision(3))} ${unit}`;
}

/** Some `most` round numbers between two. */
function ticks(from, span, most) {
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => span / step <= most);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= from + span && found.length < 50; at += step) found.push(at);
  return found;
}

/** Draws the axis of lanes for the part that is in view. */
function drawAxis(lanes, view) {
  lanes.style.setProperty("--view-from", view.from);
  lanes.style.setProperty("--view-span", view.span);
  const track = lanes.querySelector(".axis .track");
  const places = ticks(view.from, view.span, Math.max(2, Math.floor(track.clientWidth / 90)));
  const step = places.length > 1 ? places[1] - places[0] : view.span;
  lanes.style.setProperty("--grid-at", `${(((places[0] ?? view.from) - view.from) / view.span) * 100}%`);
  lanes.style.setProperty("--grid-step", `${(step / view.span) * 100}%`);
  const labels = places.map((at) => {
    const label = document.createElement("span");
    label.style.setProperty("--at", at);
    label.textContent = at === 0 ? "0" : time(at);
    const place = (at - view.from) / view.span;
    if (place < 0.04) label.className = "first";
    if (place > 0.96) label.className = "last";
    return label;
  });
  track.replaceChildren(...labels);
}

// ---- charts ---------------------------------------------------------------------------------------

/** Shows, under the pointer, the value at that place of a chart's axis. */
function readout(svg) {
  const axis = JSON.parse(svg.dataset.axis);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const label = document.createElementNS("http://www.w3.org/2000/svg", "text");
  line.setAttribute("stroke", "var(--muted)");
  line.setAttribute("stroke-dasharray", "3 3");
  label.setAttribute("fill", "currentColor");
  label.setAttribute("font-size", "12");
  label.setAttribute("y", "12");
  const leave = () => [line, label].forEach((part) => part.remove());
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const place = (x - axis.left) / (axis.right - axis.left);
    if (place < 0 || place > 1) return leave();
    const value = axis.logarithmic
      ? axis.low * (axis.high / axis.low) ** place
      : axis.low + (axis.high - axis.low) * place;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    line.setAttribute("y1", 0);
    line.setAttribute("y2", svg.viewBox.baseVal.height - 30);
    label.textContent = axis.unit === "time" ? time(value / 1e3) : `${Number(value.toPrecision(3))}${axis.unit}`;
    label.setAttribute("x", place > 0.8 ? x - 6 : x + 6);
    label.setAttribute("text-anchor", place > 0.8 ? "end" : "start");
    svg.append(line, label);
  });
}

// ---- waterfall ------------------------------------------------------------------------------------

/** Lets the time axis be zoomed from microseconds to seconds, by buttons, keys and wheel. */
function zoomable(lanes, controls) {
  const [span, end] = [Number(lanes.dataset.span), Math.max(Number(lanes.dataset.end), Number(lanes.dataset.span))];
  const view = { from: 0, span };
  const show = (from, span) => {
    view.span = Math.min(Math.max(span, 1), end * 1.05);
    view.from = Math.min(Math.max(from, 0), Math.max(end * 1.05 - view.span, 0));
    drawAxis(lanes, view);
  };
  const zoom = (factor, place) => show(view.from + view.span * place * (1 - factor), view.span * factor);
  const actions = {
    in: () => zoom(0.5, 0.25),
    out: () => zoom(2, 0.25),
    left: () => show(view.from - view.span / 4, view.span),
    right: () => show(view.from + view.span / 4, view.span),
    all: () => show(0, end * 1.02),
    reset: () => show(0, span),
  };
  for (const button of controls.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", actions[button.dataset.zoom]);
  }
  const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "reset" };
  lanes.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[keys[event.key]]();
  });
  lanes.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const box = lanes.querySelector(".axis .track").getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
  }, { passive: false });
  new ResizeObserver(() => drawAxis(lanes, view)).observe(lanes);
  show(0, span);
}

// ---- replay ---------------------------------------------------------------------------------------

/** Plays the starts side by side, slowed down. */
function replayable(figure) {
  const part = (name) => figure.querySelector(`[data-replay="${name}"]`);
  const [play, clock, seek, speed] = ["play", "clock", "seek", "speed"].map(part);
  const lanes = figure.querySelector(".lanes");
  const end = Number(lanes.dataset.end);
  const racers = [...lanes.querySelectorAll(".lane")].map((lane) => ({
    lane,
    finish: Number(lane.dataset.finish),
    state: lane.querySelector(".state"),
    phases: [...lane.querySelectorAll("i[data-name]")].map((bar) => ({
      bar,
      from: Number(bar.style.getPropertyValue("--from")),
      to: Number(bar.style.getPropertyValue("--to")),
    })),
  }));
  const edges = [...new Set(racers.flatMap(({ finish, phases }) => [finish, ...phases.flatMap(({ from, to }) => [from, to])]))]
    .filter((edge) => edge <= end)
    .sort((a, b) => a - b);
  let now = 0;
  let playing = 0;

  const draw = () => {
    lanes.style.setProperty("--now", now);
    clock.textContent = time(now);
    seek.value = (now / end) * 1000;
    seek.setAttribute("aria-valuetext", time(now));
    for (const { lane, finish, state, phases } of racers) {
      const finished = now >= finish;
      let name = lanes.dataset.waiting;
      for (const { bar, from, to } of phases) {
        const isNow = !finished && now > 0 && from <= now && now < to;
        bar.classList.toggle("done", now >= to || (finished && from <= finish));
        bar.classList.toggle("now", isNow);
        if (isNow) name = bar.dataset.name;
      }
      lane.classList.toggle("finished", finished);
      state.textContent = now === 0 ? "" : finished ? lane.dataset.finished : name;
    }
  };
  const pause = () => {
    cancelAnimationFrame(playing);
    playing = 0;
    play.textContent = play.dataset.play;
  };
  const start = () => {
    if (now >= end) now = 0;
    let before = performance.now();
    const frame = (at) => {
      now = Math.min(now + ((at - before) * 1e3) / Number(speed.value), end);
      before = at;
      draw();
      if (now >= end) return pause();
      playing = requestAnimationFrame(frame);
    };
    play.textContent = play.dataset.pause;
    playing = requestAnimationFrame(frame);
  };
  const go = (to) => {
    pause();
    now = to;
    draw();
  };
  play.addEventListener("click", () => (playing ? pause() : start()));
  part("restart").addEventListener("click", () => go(0));
  part("step").addEventListener("click", () => go(edges.find((edge) => edge > now) ?? end));
  part("back").addEventListener("click", () => go(edges.findLast((edge) => edge < now) ?? 0));
  seek.addEventListener("input", () => go((Number(seek.value) / 1000) * end));
  figure.closest("main").addEventListener("leave", pause);
  const view = { from: 0, span: Number(lanes.dataset.span) };
  new ResizeObserver(() => drawAxis(lanes, view)).observe(lanes);
  draw();
}

// ---- raw trials -----------------------------------------------------------------------------------

/** The most rows of trials shown at once. */
const MOST_ROWS = 200;

/** Fills the table of raw trials from the data in the page, for one runtime and one workload at a time. */
function rawTrials(main) {
  const section = main.querySelector("#trials");
  const trials = readTrials();
  if (!trials.length) return;
  section.hidden = false;
  const selects = Object.fromEntries(
    [...section.querySelectorAll("[data-filter]")].map((select) => [select.dataset.filter, select]),
  );
  for (const [field, select] of Object.entries(selects)) {
    select.append(...[...new Set(trials.map((trial) => trial[field]))].map((name) => new Option(name, name)));
  }
  const note = section.querySelector("[data-of]");
  const fill = () => {
    const chosen = trials.filter((trial) => Object.entries(selects).every(([field, select]) => trial[field] === select.value));
    const rows = chosen.slice(0, MOST_ROWS).map((trial) => {
      const row = document.createElement("tr");
      for (const value of trial.cells) {
        const cell = document.createElement("td");
        cell.className = "number";
        cell.textContent = value ?? "–";
        row.append(cell);
      }
      return row;
    });
    section.querySelector("tbody").replaceChildren(...rows);
    note.textContent = `${rows.length} ${note.dataset.of} ${chosen.length}`;
  };
  let filled = false;
  const fillOnce = () => {
    if (!filled) fill();
    filled = true;
  };
  new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && fillOnce()).observe(section);
  for (const select of Object.values(selects)) select.addEventListener("change", fill);
  for (const link of main.querySelectorAll("a[data-runtime]")) {
    link.addEventListener("click", () => {
      selects.runtime.value = link.dataset.runtime;
      selects.workload.value = link.dataset.workload;
      filled = true;
      fill();
    });
  }
}

/** The trials in the page's data, whichever of its forms they have; none where only medians are there. */
function readTrials() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (ns) => (typeof ns === "number" ? time(ns / 1e3) : null);
  if (Array.isArray(data?.rows)) {
    return data.rows.map(([runtime, workload, round, counts, entered, first, exited, down, user, system]) => ({
      runtime: data.names[runtime],
      workload: data.names[workload],
      cells: [round, counts ? "✓" : "✗", ...[entered, first, exited, down, user, system].map(at)],
    }));
  }
  if (!Array.isArray(data?.trials)) return [];
  return data.trials.map(({ runtime, workload, round, exit, timeline, cpu, wrong_output }) => ({
    runtime,
    workload,
    cells: [
      round,
      exit.code === 0 && !wrong_output ? "✓" : "✗",
      ...[timeline.entered_ns, timeline.first_output_ns, timeline.exited_ns, timeline.torn_down_ns, cpu.user_ns, cpu.system_ns].map(at),
    ],
  }));
}

begin(document.querySelector("main"));
document.querySelector("main").dataset.begun = "yes";
