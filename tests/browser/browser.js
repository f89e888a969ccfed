// A page of the report, opened from the disk in headless Chromium, and what went wrong in it.

import { createRequire } from "node:module";
import { existsSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const repository = resolve(fileURLToPath(import.meta.url), "../../..");
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** The report under test: a real one, of a real run. */
export const report = resolve(process.env.ISOBENCH_REPORT ?? `${repository}/reports/latest/index.html`);

const screenshots = resolve(process.env.ISOBENCH_SCREENSHOTS ?? `${repository}/target/browser`);

const browsers = ["/usr/bin/chromium", "/usr/bin/google-chrome", "/usr/bin/chromium-browser"];

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? browsers.find(existsSync),
    // Chromium's own sandbox needs rights that root in a container lacks.
    args: process.getuid() === 0 ? ["--no-sandbox"] : [],
  });

/** Opens a report; `problems` collects what it logs, throws and asks of the network. */
export async function open(browser, { path = report, width = 1280, height = 900, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, ...options });
  const page = await context.newPage();
  const url = pathToFileURL(path).href;
  const problems = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => {
    const own = request.url() === url || /^(data|blob):/.test(request.url());
    if (!own) problems.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return { page, problems };
}

/** Keeps what can be seen, for somebody to look at. */
export async function screenshot(page, name, options = { fullPage: true }) {
  mkdirSync(screenshots, { recursive: true });
  await page.screenshot({ path: `${screenshots}/${name}.png`, ...options });
}

/** What axe finds wrong for those who do not see the page or use no mouse. */
export async function violations(page) {
  await page.addScriptTag({ path: axe });
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
}
