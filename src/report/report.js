"use strict";

// Everything in the page works without this script but what follows. It holds no words: those stand in the page.

/** Sets up one language's body. */
function begin(main) {
  main.querySelector("#save").addEventListener("click", save);
  for (const button of main.querySelectorAll(".languages button")) {
    button.addEventListener("click", () => show(button.dataset.language));
  }
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

/** Puts the body of a language in the place of the present one, which is kept for the way back. */
function show(language) {
  const root = document.documentElement;
  const wanted = document.querySelector(`template[data-language="${language}"]`);
  if (!wanted) return;
  const kept = document.createElement("template");
  kept.dataset.language = root.lang;
  kept.dataset.title = document.title;
  kept.content.append(document.querySelector("main"));
  root.lang = language;
  document.title = wanted.dataset.title;
  wanted.replaceWith(kept);
  document.body.prepend(wanted.content);
  begin(document.querySelector("main"));
  document.querySelector(`.languages [data-language="${language}"]`).focus();
}

begin(document.querySelector("main"));
