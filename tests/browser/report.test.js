// What a reader of the report relies on, in a real browser.
//
//     npm ci && ISOBENCH_REPORT=../../reports/latest/index.html npm test

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, screenshot, violations } from "./browser.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** A test of one page that must not complain about anything. */
function onPage(name, options, check) {
  test(name, async (told) => {
    const { page, problems } = await open(browser, options);
    try {
      await check(page, told);
      assert.deepEqual(problems, []);
    } finally {
      await page.context().close();
    }
  });
}

/** A report may open in any language; the tests read it in this one. */
async function read(page, language) {
  const button = page.locator(`.languages [data-language="${language}"]`);
  if ((await button.getAttribute("aria-current")) !== "true") await button.click();
  assert.equal(await page.locator("html").getAttribute("lang"), language);
}

const sideways = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

onPage("its tables are filled and its charts are told in words", {}, async (page, told) => {
  // On a quiet machine under a second; a figure of a busy one decides nothing.
  const took = await page.evaluate(() => performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd);
  told.diagnostic(`opened in ${Math.round(took)} ms`);
  await read(page, "en");
  const facts = await page.locator("#minute .fact").allTextContents();
  assert.ok(facts.length >= 12 && facts.every((fact) => fact.trim() !== ""));
  const boot = await page.locator('#minute [data-row="boot"] .fact').allTextContents();
  assert.match(boot.join(" "), /\d (µs|ms|s)/);
  assert.ok((await page.locator("#headline tbody tr").count()) >= 2);
  for (const svg of await page.locator("main svg").all()) assert.ok((await svg.getAttribute("aria-label")).length > 20);
});

onPage("a box leads to its raw trials and to the command that makes it again", {}, async (page) => {
  const box = page.locator('#minute [data-row="boot"] td').first();
  await box.locator("summary").click();
  assert.match(await box.locator("code").textContent(), /isobench compare/);
  const link = box.locator("a");
  const [runtime, workload] = [await link.getAttribute("data-runtime"), await link.getAttribute("data-workload")];
  await link.click();
  assert.equal(await page.locator('[data-filter="runtime"]').inputValue(), runtime);
  assert.equal(await page.locator('[data-filter="workload"]').inputValue(), workload);
  assert.ok((await page.locator("#trials tbody tr").count()) >= 3);
});

onPage("a phase of the waterfall opens by mouse and by keyboard and tells its calls", {}, async (page) => {
  await read(page, "en");
  const phases = page.locator(".waterfall .phase");
  assert.ok((await phases.count()) > 3);
  await phases.nth(1).locator("summary").click();
  assert.ok(await phases.nth(1).locator(".explanation code").isVisible());
  await phases.nth(2).locator("summary").focus();
  await page.keyboard.press("Enter");
  assert.ok(await phases.nth(2).locator(".explanation").isVisible());
});

onPage("the waterfall zooms from microseconds to seconds", {}, async (page) => {
  const span = () => page.locator(".waterfall").evaluate((lanes) => Number(lanes.style.getPropertyValue("--view-span")));
  const first = await span();
  const width = () => page.locator(".waterfall .phase i").first().evaluate((bar) => bar.getBoundingClientRect().width);
  const narrow = await width();
  await page.locator('[data-zoom="in"]').click();
  assert.ok((await span()) < first && (await width()) > narrow);
  await page.locator(".waterfall").focus();
  for (let i = 0; i < 30; i++) await page.keyboard.press("+");
  assert.equal(await span(), 1);
  await page.keyboard.press("0");
  assert.equal(await span(), first);
  assert.match(await page.locator(".waterfall .axis").textContent(), /(µs|ms)/);
});

onPage("a runtime can be hidden, and stays hidden in the other language", {}, async (page) => {
  await read(page, "en");
  const button = page.locator(".filter button").nth(1);
  const lanes = page.locator(`.waterfall .lane[data-slot="${await button.getAttribute("data-slot")}"]`);
  assert.ok(await lanes.isVisible());
  await button.click();
  assert.ok(!(await lanes.isVisible()));
  await read(page, "ko");
  assert.ok(!(await lanes.isVisible()));
  await page.locator(".filter button").nth(1).click();
  assert.ok(await lanes.isVisible());
});

onPage("the replay plays, pauses, steps and ends", {}, async (page) => {
  const clock = () => page.locator('[data-replay="clock"]').textContent();
  assert.equal(await clock(), "0 µs");
  await page.locator('[data-replay="play"]').click();
  await page.waitForFunction(() => document.querySelector(".replay i.now"));
  await page.locator('[data-replay="play"]').click();
  const paused = await clock();
  assert.notEqual(paused, "0 µs");
  await page.waitForTimeout(100);
  assert.equal(await clock(), paused);
  await page.locator('[data-replay="step"]').click();
  assert.notEqual(await clock(), paused);
  await page.locator('[data-replay="seek"]').evaluate((seek) => {
    seek.value = 1000;
    seek.dispatchEvent(new Event("input"));
  });
  assert.equal(await page.locator(".replay .lane:not(.finished)").count(), 0);
  await page.locator('[data-replay="restart"]').click();
  assert.equal(await clock(), "0 µs");
});

onPage("the language can be switched and switched back", {}, async (page) => {
  await read(page, "en");
  const title = await page.title();
  await read(page, "ko");
  assert.match(await page.locator("h1").textContent(), /[가-힣]/);
  assert.notEqual(await page.title(), title);
  await page.locator(".waterfall .phase summary").nth(1).click();
  assert.match(await page.locator(".waterfall .explanation:visible").textContent(), /[가-힣]/);
  await page.locator('[data-replay="step"]').click();
  assert.notEqual(await page.locator('[data-replay="clock"]').textContent(), "0 µs");
  await read(page, "en");
  assert.equal(await page.title(), title);
  assert.equal(await page.locator("main").count(), 1);
});

onPage("it is dark when the reader wants it dark", { colorScheme: "dark" }, async (page) => {
  const page_colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await page_colour();
  await page.locator("#theme").click();
  assert.notEqual(await page_colour(), dark);
});

onPage("on a phone nothing scrolls sideways", { width: 360, height: 740 }, async (page) => {
  for (const language of ["en", "ko"]) {
    await read(page, language);
    assert.equal(await sideways(page), 0, language);
    await page.locator("details").evaluateAll((all) => all.forEach((one) => (one.open = true)));
    assert.equal(await sideways(page), 0, `${language}, all opened`);
  }
});

onPage("it prints", {}, async (page) => {
  const pdf = await page.pdf({ format: "A4" });
  assert.equal(pdf.subarray(0, 5).toString(), "%PDF-");
  assert.ok(pdf.length > 50_000);
});

onPage("it reads well without any script", { javaScriptEnabled: false }, async (page) => {
  assert.ok((await page.locator("#minute .fact").count()) >= 12);
  await page.locator(".waterfall .phase summary").nth(1).click();
  assert.ok(await page.locator(".waterfall .phase[open] .explanation").isVisible());
  assert.equal(await page.locator("button:visible").count(), 0);
});

for (const language of ["en", "ko"]) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 360]) {
      const name = `${language}-${colorScheme}-${width}`;
      onPage(`axe finds nothing: ${name}`, { colorScheme, width }, async (page) => {
        await read(page, language);
        await screenshot(page, name);
        await page.locator("details").evaluateAll((all) => all.forEach((one) => (one.open = true)));
        assert.deepEqual(await violations(page), []);
      });
    }
  }
}
