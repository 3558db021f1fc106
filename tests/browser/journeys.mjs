// The pages in a browser: journeys with their clicks counted, by mouse, by keyboard alone and without scripts; axe-core on every
// page and state, at two widths, light and dark; no page wider than the window. Arguments: the daemon's address, a link that
// signs in, an API token, the folder with the node modules, the folder for screenshots.
import { createRequire } from "node:module";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

const [url, link, token, modules, shots] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(shots, { recursive: true });

const failures = [];
let checks = 0;
function check(holds, what) {
  checks += 1;
  if (!holds) {
    failures.push(what);
    console.error(`FAILED: ${what}`);
  }
}

async function api(method, path, body) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(`${url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  }
  return text === "" ? null : JSON.parse(text);
}

// Thirty milestones that are accepted and wait for nothing but an approval, and one that somebody has to look into.
async function fill() {
  for (let number = 1; number <= 30; number += 1) {
    const id = `BULK-${String(number).padStart(2, "0")}`;
    const amount = `${number}000.00`;
    await api("PUT", `/v1/contracts/${id}`, {
      customer: "Contoso Research", currency: "USD", total: amount, signed_on: "2026-03-02",
      obligations: [{ id: "services", ssp: amount, method: "output" }],
      milestones: [{ id: "M1", name: "Delivery", amount, completion: "external_event" }],
      milestoned: { erp: "quickbooks", policy: { review: "all" } },
    });
    await api("POST", `/v1/contracts/${id}/facts`, { type: "external_event", milestone: "M1", name: "delivered" });
  }
  for (let turn = 0; turn < 200; turn += 1) {
    const waiting = await api("GET", "/v1/queue?kind=approval");
    if (waiting.filter((item) => item.contract.startsWith("BULK-")).length === 30) {
      return;
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error("the thirty approvals do not come");
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const first = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const signing = await first.newPage();
await signing.goto(link);
const session = await first.storageState();

async function open(options = {}) {
  const context = await browser.newContext({ storageState: session, viewport: { width: 1440, height: 900 }, ...options });
  return context.newPage();
}

// A page whose clicks are counted.
async function counted() {
  const page = await open();
  let clicks = 0;
  return { page, click: async (target) => { clicks += 1; await page.locator(target).first().click(); }, clicks: () => clicks };
}

async function approvesThirty() {
  const { page, click, clicks } = await counted();
  await page.goto(`${url}/queue?customer=Contoso+Research`);
  await click("nav.tabs a:has-text('To approve')");
  await click("input[name=all]");
  await click("button[value=approve]");
  check((await page.locator("tbody tr").count()) === 30, "the thirty are shown before they are approved");
  check((await page.locator("tbody").innerText()).includes("invoice BULK-30-M1 of 30,000.00"), "what would be written is shown");
  await page.screenshot({ path: `${shots}/bulk.png` });
  await audit(page, "what would be done");
  await click("form.panel button[value=approve]");
  check((await page.locator("h1").innerText()).includes("30 done, 0 not"), `thirty are done: ${await page.locator("h1").innerText()}`);
  await audit(page, "what was done");
  await page.goto(`${url}/case/approval:BULK-01:M1`);
  check((await page.locator("main").innerText()).includes("Milestone approved by"), "a link to what waits no more says who ended it");
  await wide(page, "case closed");
  check(clicks() <= 4, `thirty clean invoices are approved in ${clicks()} clicks, at most 4`);
  console.log(`thirty clean invoices approved: ${clicks()} clicks`);
}

async function findsWhatIsStuck() {
  const { page, click, clicks } = await counted();
  await page.goto(`${url}/queue?part=blocked`);
  const title = await page.locator("a.open").first().innerText();
  await click("a.open");
  check((await page.locator("h1").innerText()).startsWith(title), "the case is the one that was clicked");
  check((await page.locator("table.legs").count()) === 1, "the four legs stand beside each other");
  await page.fill("input[name=to]", "sales-ops@vendor.example");
  await click("button[value=assign]");
  check((await page.locator(".told").innerText()).includes("sales-ops@vendor.example"), "a word after the act");
  check((await page.locator("main").innerText()).includes("sales-ops@vendor.example looks after it"), "it is theirs");
  check(clicks() <= 3, `why one is stuck is found, and it is assigned, in ${clicks()} clicks, at most 3`);
  console.log(`stuck one found and assigned: ${clicks()} clicks`);
}

async function seesNextMonth() {
  const { page, click, clicks } = await counted();
  await page.goto(`${url}/`);
  await click("dt:has-text('To bill next month') + dd a");
  check((await page.locator("h1").innerText()).startsWith("To bill in"), "what is billed next month");
  check(clicks() <= 2, `what is billed next month is seen in ${clicks()} clicks, at most 2`);
  console.log(`what is billed next month: ${clicks()} click`);
}

async function closesMarch() {
  const { page, click, clicks } = await counted();
  await page.goto(`${url}/`);
  await click("nav a:text-is('Close')");
  await click("button[aria-label='Prepare March 2026']");
  check((await page.locator("h1").innerText()).startsWith("March 2026"), "March is prepared");
  await audit(page, "a close that is prepared");
  await click("input[name=looked]");
  await page.fill("input[name=reason]", "March is looked at and done");
  await click("button:has-text('Sign March 2026')");
  check((await page.locator(".told").innerText()).includes("March 2026 is signed"), "a word after the signature");
  await audit(page, "a close that is signed");
  await page.screenshot({ path: `${shots}/close-signed.png`, fullPage: true });
  const [download] = await Promise.all([page.waitForEvent("download"), click("a:has-text('Package (ZIP)')")]);
  check(download.suggestedFilename() === "milestoned-close-2026-03-package.zip", `the package is ${download.suggestedFilename()}`);
  await page.goto(`${url}/closes/2026-03?part=adjustments`);
  await audit(page, "adjustments");
  check(clicks() <= 6, `March is closed to the signed package in ${clicks()} clicks, at most 6`);
  console.log(`March closed to the signed package: ${clicks()} clicks`);
}

async function worksByKeyboard() {
  const page = await open();
  await page.goto(`${url}/queue`);
  await page.keyboard.press("?");
  check(await page.locator("dialog#keys").isVisible(), "? shows the keys");
  await page.keyboard.press("Escape");
  check(!(await page.locator("dialog#keys").isVisible()), "Esc closes them");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  const focused = await page.evaluate(() => document.activeElement.closest("[data-row]")?.rowIndex);
  check(focused === 1, `j, j, k leads to the first row, not ${focused}`);
  await page.keyboard.press("x");
  check(await page.locator("input[name=row]").first().isChecked(), "x ticks");
  check((await page.locator("[data-ticked]").innerText()) === "1 ticked", "the count is told");
  await page.keyboard.press("/");
  check(await page.evaluate(() => document.activeElement.id === "search"), "/ leads to the search");
  await page.keyboard.type("jxa?");
  check((await page.inputValue("#search")) === "jxa?", "letters that are written are no keys");
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("o");
  await page.waitForURL(/\/case\//);
  check(page.url().includes("/case/"), "o opens");
  await page.goto(`${url}/queue`);
  for (let step = 0; step < 60 && !(await page.evaluate(() => document.activeElement.matches("a.open"))); step += 1) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/case\//);
  check(page.url().includes("/case/"), "Tab and Enter do it without letters");
  await page.goto(`${url}/keys`);
  await page.click("button[value=off]");
  await page.goto(`${url}/queue`);
  await page.keyboard.press("?");
  check(!(await page.locator("dialog#keys").isVisible()), "letters can be switched off");
}

async function worksWithoutScripts() {
  const page = await open({ javaScriptEnabled: false });
  await page.goto(`${url}/queue?part=blocked`);
  await page.locator("input[name=row]").first().check();
  await page.click("button[value=snooze]");
  await page.fill("input[name=until]", "2030-01-31");
  await page.click("form.panel button");
  check((await page.locator(".told").innerText()).includes("2030-01-31"), "snoozed without scripts");
  await page.locator("summary:has-text('Filter')").click();
  await page.selectOption("select[name=sort]", "age");
  await page.click(".fields button:has-text('Show')");
  check(page.url().includes("sort=age"), "filters are an address");
  await page.locator("summary:has-text('Filter')").click();
  await page.locator("form[action='/views'] input[name=name]").fill("Oldest");
  await page.click("form[action='/views'] button");
  check((await page.locator("nav.views").innerText()).includes("Oldest"), "a view is saved");
}

async function exportsLists() {
  const page = await open();
  const lists = ["contracts", "milestones", "documents", "receivables", "payments", "journal", "exceptions", "queue", "outlook", "audit"];
  for (const name of lists) {
    for (const kind of ["csv", "xlsx"]) {
      const answer = await page.request.get(`${url}/export/${name}.${kind}`);
      check(answer.status() === 200 && (await answer.body()).length > 20, `${name}.${kind} comes`);
    }
  }
  for (const file of ["journal.csv", "roll-forward.xlsx", "adjustments.csv"]) {
    const answer = await page.request.get(`${url}/closes/2026-03/${file}`);
    check(answer.status() === 200 && (await answer.body()).length > 20, `${file} of a close comes`);
  }
  await page.goto(`${url}/contracts`);
  await page.click("th a:text-is('Remaining')");
  check((await page.locator("th[aria-sort=descending]").innerText()).startsWith("Remaining"), "a head sorts its list");
}

const SOW = readFileSync(new URL("../../documents/tests/statement-of-work.md", import.meta.url), "utf8").replace("SOW-2041", "SOW-7701");

// From the signed document to the filed contract: each value beside its words, one corrected, one rejected.
async function readsADocument() {
  const page = await open();
  await page.goto(`${url}/documents`);
  await audit(page, "no document yet");
  await page.setInputFiles("input[type=file]", { name: "SOW 7701.md", mimeType: "text/markdown", buffer: Buffer.from(SOW) });
  await page.click("button:has-text('Read it')");
  const value = (path) => page.locator("li.value", { has: page.locator(`b:text-is("${path}")`) });
  check((await page.locator("main").innerText()).includes("the rows sum to 90000.00, the price is 100000.00"), "what does not add up is told");
  check((await value("total").locator("q").first().innerText()) === "USD $100,000", "a value stands beside its words");
  await value("total").locator(".quote a").first().click();
  check((await page.locator(":target mark").allInnerTexts()).join(" ").includes("USD $100,000"), "a click on the words shows their place");
  await page.screenshot({ path: `${shots}/document.png` });
  await audit(page, "a document");
  await value("milestones.M2.amount").locator("[name=value]").fill("60,000");
  await value("milestones.M2.amount").locator("button:has-text('Confirm')").click();
  check((await value("milestones.M2.amount").locator(".chip").innerText()) === "corrected", "a value is corrected");
  for (let left = 60; left > 0 && (await page.locator(".chip:text-is('open')").count()) > 0; left -= 1) {
    const next = page.locator("li.value", { has: page.locator(".chip:text-is('open')") }).first();
    await next.locator("button:has-text('Confirm')").click();
  }
  await page.click("button:has-text('File the terms')");
  check((await page.locator("main").innerText()).includes("60,000"), "what is no amount is refused with its place");
  await page.goBack();
  await page.reload();
  await value("milestones.M2.amount").locator("[name=value]").fill("60000.00");
  await value("milestones.M2.amount").locator("button:has-text('Confirm')").click();
  await page.selectOption("select[name=erp]", "quickbooks");
  await page.click("button:has-text('File the terms')");
  check((await page.locator("p.told").innerText()).includes("SOW-7701 is filed from SOW 7701.md"), "the terms are filed");
  await audit(page, "a contract that was filed from a document");
  const traced = page.locator("tr", { has: page.locator('th:text-is("milestones.M2.amount")') });
  check((await traced.innerText()).includes("50,000") && (await traced.innerText()).toLowerCase().includes("corrected"), `its amount leads back to the words: ${await traced.innerText()}`);
  await traced.locator("td:last-child a").click();
  check((await page.locator(":target mark").allInnerTexts()).join(" ").includes("50,000"), "and to their place");
  const trail = await api("GET", "/v1/audit?contract=SOW-7701");
  check(JSON.stringify(trail).includes("filed from a document"), "the trail names the document");
  await page.goto(`${url}/documents`);
  check((await page.locator("tbody").innerText()).includes("SOW-7701"), "the list says what became of it");
}

async function wide(page, name) {
  for (const width of [1440, 390]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await audit(page, `${name} ${colorScheme}`);
      await page.screenshot({ path: `${shots}/${name.replaceAll(" ", "-")}-${width}-${colorScheme}.png`, fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

// A change order from the contract's page: written over the terms in force, its effect seen, and filed.
async function filesAChangeOrder() {
  const { page, click, clicks } = await counted();
  await page.goto(`${url}/contracts/FORM-1`);
  await click("a:has-text('Change order')");
  await page.fill("[name='total']", "1100.00");
  await page.fill("[name='milestones[4].amount']", "250.x");
  await page.waitForFunction(() => document.querySelector("[data-problem='milestones[4].amount']").textContent !== "");
  check((await page.locator("[data-problem='milestones[4].amount']").innerText()).includes("250.x"), "what is wrong is told at its field while it is typed");
  await page.fill("[name='milestones[4].amount']", "250.00");
  await page.waitForFunction(() => document.querySelector("[data-count]").textContent === "no problems");
  await click("input[name=signed]");
  await click(".bulk button[value=check]");
  const effect = await page.locator("section[aria-labelledby=effect]").innerText();
  check(effect.includes("1,000.00") && effect.includes("1,100.00"), `its effect is shown before it is filed: ${effect}`);
  await wide(page, "change order");
  await click("button[value=file]");
  check((await page.locator(".told").innerText()).includes("version 2 is filed"), `it is filed: ${await page.locator("main").innerText()}`);
  check((await page.locator("main").innerText()).includes("1,000.00 → 1,100.00"), "the contract says what it changed");
  check(clicks() <= 8, `a change order is filed and its effect seen in ${clicks()} clicks, at most 8`);
  console.log(`change order filed, its effect seen: ${clicks()} clicks`);
}

// A new contract without TOML and without scripts: checked, mended, filed.
async function filesAContract() {
  const page = await open({ javaScriptEnabled: false });
  await page.goto(`${url}/filing/new?template=phased`);
  await page.fill("[name='id']", "FORM-1");
  await page.fill("[name='customer']", "Contoso Research");
  await page.click(".bulk button[value=check]");
  check((await page.locator("small.wrong:visible").count()) > 0, "without scripts problems stand at their fields too");
  await page.fill("[name='total']", "1000.00");
  const ssp = page.locator("[name^='obligations'][name$='.ssp']");
  for (let at = 0; at < (await ssp.count()); at += 1) {
    await ssp.nth(at).fill("1000.00");
  }
  await page.selectOption("[name='milestoned.erp']", "quickbooks").catch(() => page.fill("[name='milestoned.erp']", "quickbooks"));
  await page.click(".bulk button[value=check]");
  check((await page.locator(".told").innerText()).includes("Nothing is wrong"), `it can be filed: ${await page.locator("main").innerText()}`);
  await page.click("button[value=file]");
  check((await page.locator(".told").innerText()).includes("FORM-1 is filed"), "a contract is filed without TOML");
  const scripted = await open();
  await scripted.goto(`${url}/filing/new?copy=FORM-1`);
  check((await scripted.inputValue("[name='id']")) === "" && (await scripted.inputValue("[name='total']")) === "1000.00", "a copy asks for an id of its own");
  await scripted.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  await wide(scripted, "new contract");
  await scripted.goto(`${url}/filing/change/FORM-1?kind=correction`);
  await wide(scripted, "correction");
}

// The workbook: taken away, twelve cells edited by a foreign program, brought back with one conflict, confirmed.
async function editsTheWorkbook() {
  for (let number = 1; number <= 12; number += 1) {
    const total = "100.00";
    await api("PUT", `/v1/contracts/BOOK-${String(number).padStart(2, "0")}`, {
      customer: "Fabrikam", currency: "USD", total, signed_on: "2026-03-02", obligations: [{ id: "services", ssp: total, method: "output" }],
      milestones: [{ id: "M1", name: "Delivery", amount: total }], milestoned: { erp: "quickbooks" },
    });
  }
  const { page, click, clicks } = await counted();
  await page.goto(`${url}/workbook?q=BOOK-`);
  await wide(page, "workbook");
  const coming = page.waitForEvent("download");
  await click("button:has-text('Export')");
  const file = `${shots}/workbook.xlsx`;
  await (await coming).saveAs(file);
  await api("POST", "/v1/contracts/BOOK-06/amendments", { version: 2, signed: true, change: [{ id: "M1", name: "Handed over" }] });
  const python = process.env.OPENPYXL;
  if (!python) {
    console.log("the workbook is not edited: OPENPYXL names no python with openpyxl");
    return;
  }
  const edits = `
import sys, openpyxl
book = openpyxl.load_workbook(sys.argv[1])
sheet = book["Milestones"]
heads = [cell.value for cell in sheet[1]]
for row in range(2, 14):
    sheet.cell(row=row, column=heads.index("Name") + 1).value = f"Delivery {row}"
book.save(sys.argv[1])
`;
  execFileSync(python, ["-c", edits, file]);
  await page.setInputFiles("input[type=file]", file);
  await click("button:has-text('Show what would follow')");
  const shown = await page.locator("main").innerText();
  check(/To take\s*11/i.test(shown) && /In conflict\s*1/i.test(shown), `eleven are taken and one is in conflict: ${shown.slice(0, 600)}`);
  check(shown.includes("Handed over"), "what holds now stands beside what was written");
  await wide(page, "workbook import");
  await page.fill("input[name=reason]", "names as agreed on the call");
  await click("input[name=signed]");
  await click("button:has-text('Confirm')");
  check((await page.locator("main").innerText()).includes("11 done, 0 not"), `each has its result: ${(await page.locator("main").innerText()).slice(0, 400)}`);
  await wide(page, "workbook done");
  check(clicks() <= 5, `export, twelve edits, import with one conflict in ${clicks()} clicks, at most 5`);
  console.log(`workbook exported, edited, imported with one conflict: ${clicks()} clicks`);
}

// The same agreement as PDF and Word: pages as pictures with the places marked; the next version of a contract as an amendment.
async function readsPdfAndWord() {
  const page = await open();
  const rows = (second) => `<tr><td>M1</td><td>Design accepted</td><td>40,000</td></tr><tr><td>M2</td><td>System in production</td><td>${second}</td></tr>`;
  const agreement = (title, total, second) => `<h1>${title}</h1><p>Reference No.: SOW-7702</p><p>This Statement of Work is made and entered into as of 5 January 2026 by and between Northwind Ltd, a company with offices in Leeds (the “Client”), and Acme Systems Inc., a corporation with offices in Austin (the “Vendor”).</p>
<p>The total contract value is USD $${total}. All invoices are payable within 45 days of the invoice date.</p>
<table border="1" cellspacing="0" cellpadding="6"><tr><th>Milestone</th><th>Description</th><th>Fee (USD)</th></tr>${rows(second)}</table>`;
  const printed = async (html) => {
    const sheet = await open();
    await sheet.setContent(html);
    const pdf = await sheet.pdf({ format: "A4" });
    await sheet.context().close();
    return pdf;
  };
  const bring = async (name, mimeType, buffer, amends) => {
    await page.goto(`${url}/documents`);
    await page.setInputFiles("input[type=file]", { name, mimeType, buffer });
    if (amends) await page.fill("[name=amends]", amends);
    await page.click("button:has-text('Read it')");
  };
  const value = (path) => page.locator("li.value", { has: page.locator(`b:text-is("${path}")`) });
  const confirmAll = async () => {
    for (let left = 60; left > 0 && (await page.locator(".chip:text-is('open')").count()) > 0; left -= 1) {
      const next = page.locator("li.value", { has: page.locator(".chip:text-is('open')") }).first();
      await next.locator("button:has-text('Confirm')").click();
    }
  };
  await bring("SOW 7702.pdf", "application/pdf", await printed(agreement("STATEMENT OF WORK", "100,000", "60,000")));
  check((await value("milestones.M2.amount").locator("[name=value]").inputValue()) === "60000.00", "a PDF is read");
  const picture = await page.locator("svg.sheet image").first().getAttribute("href");
  const drawn = await page.request.get(`${url}${picture}`);
  check(drawn.headers()["content-type"] === "image/png" && (await drawn.body()).length > 5000, "its page is a picture");
  await value("milestones.M2.amount").locator(".quote a").first().click();
  check((await page.locator("rect:target title").textContent()) === "milestones.M2.amount", "a click on the words leads to their place on the page");
  for (const [width, height] of [[1440, 900], [1024, 768], [390, 844]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await (width === 1024 ? fits(page, `a PDF ${width} ${colorScheme}`) : audit(page, `a PDF ${width} ${colorScheme}`));
      await page.screenshot({ path: `${shots}/document-pdf-${width}-${colorScheme}.png` });
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await confirmAll();
  await page.selectOption("select[name=erp]", "quickbooks");
  await page.click("button:has-text('File the terms')");
  check((await page.locator("p.told").innerText()).includes("SOW-7702 is filed from SOW 7702.pdf"), "the terms of the PDF are filed");
  await page.locator("tr", { has: page.locator('th:text-is("milestones.M2.amount")') }).locator("td:last-child a").click();
  check((await page.locator("rect:target title").textContent()) === "milestones.M2.amount", "the contract leads back to the place on the page");
  await bring("Amendment 1.pdf", "application/pdf", await printed(agreement("AMENDMENT NO. 1 TO STATEMENT OF WORK", "115,000", "75,000")), "SOW-7702");
  check((await page.locator("main").innerText()).includes("milestone M2 is 60000.00 now and 75000.00 in the amendment"), "an amendment is read beside the contract");
  await confirmAll();
  await page.click("button:has-text('File the terms')");
  check((await page.locator("main").innerText()).includes("SOW-7702"), `the change order is filed: ${await page.locator("main").innerText()}`);
  const word = wordOf(agreement("STATEMENT OF WORK", "100,000", "60,000").replaceAll("7702", "7703"));
  if (word) {
    await bring("SOW 7703.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", word);
    check((await value("milestones.M2.amount").locator("[name=value]").inputValue()) === "60000.00", "a Word file is read");
    await audit(page, "a Word file");
    await page.screenshot({ path: `${shots}/document-word.png` });
  } else {
    console.log("LibreOffice is not here: no Word file is brought");
  }
}

// The text as a Word file, by LibreOffice where it is installed.
function wordOf(html) {
  const folder = mkdtempSync(`${tmpdir()}/milestoned-word-`);
  try {
    writeFileSync(`${folder}/file.html`, html);
    const options = [`-env:UserInstallation=file://${folder}/profile`, "--headless", "--infilter=HTML (StarWriter)", "--convert-to", "docx:MS Word 2007 XML", "--outdir", folder, `${folder}/file.html`];
    execFileSync("soffice", options, { stdio: "ignore", timeout: 120_000 });
    return readFileSync(`${folder}/file.docx`);
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function audit(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const one of found.violations) {
    check(false, `${name} (${page.viewportSize().width} px): ${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).slice(0, 3).join(" | ")}`);
  }
  checks += 1;
  await fits(page, name);
}

async function fits(page, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  check(wide <= 0, `${name} is ${wide} px wider than ${page.viewportSize().width} px`);
}

async function everyPage() {
  const queue = await api("GET", "/v1/queue");
  const kinds = new Map(queue.map((item) => [item.kind, item]));
  const cases = Array.from(kinds.values(), (item) => [`case-${item.kind}`, `/case/${encodeURIComponent(item.subject)}`]);
  const contracts = (await api("GET", "/v1/contracts")).slice(0, 400);
  const billed = contracts.filter((one) => one.billed !== "0.00").slice(0, 3);
  const [invoice] = (await api("GET", `/v1/contracts/${encodeURIComponent(billed[0].contract)}`)).documents;
  const close = await api("PUT", "/v1/closes/2026-02");
  const parts = Object.keys(close.figures.tables).map((name) => name.toLowerCase().replaceAll(" ", "-"));
  const pages = [
    ["closes", "/closes"], ["close", "/closes/2026-02"], ...parts.map((part) => [`close-${part}`, `/closes/2026-02?part=${part}`]),
    ["metrics", "/reports/metrics"], ["metric-cases", "/reports/cases?part=period&month=2026-03"],
    ["cohort", "/reports/cohort?month=2026-03"], ["cohort-empty", "/reports/cohort?month=2020-01"], ["forecast", "/reports/forecast"],
    ["home", "/"], ["queue", "/queue"], ["queue-approvals", "/queue?part=approvals"], ["queue-blocked", "/queue?part=blocked"],
    ["queue-warnings", "/queue?part=warnings"], ["queue-parked", "/queue?part=parked"], ["queue-drift", "/queue?part=drift"],
    ["queue-filtered", "/queue?age=1&sort=amount"], ["queue-empty", "/queue?q=nothing-is-called-so"], ...cases,
    ["contracts", "/contracts"], ["contracts-empty", "/contracts?q=nothing-is-called-so"],
    ...billed.map((one) => [`contract-${one.contract}`, `/contracts/${encodeURIComponent(one.contract)}`]),
    ["as-of", `/contracts/${encodeURIComponent(billed[0].contract)}/as-of`], ["as-of-ahead", `/contracts/${encodeURIComponent(billed[0].contract)}/as-of?date=2999-12-31`],
    ["customer", `/customers/${encodeURIComponent(billed[0].customer)}`], ["receivables", "/receivables"],
    ["receivables-overdue", "/receivables?part=overdue"], ["receivables-customers", "/receivables?part=customers"], ["receivables-sorted", "/receivables?sort=open"], ["contracts-sorted", "/contracts?sort=remaining"], ["outlook", "/outlook"], ["outlook-next", "/outlook?month=next"],
    ["trail", "/trail"], ["trail-of", `/trail?of=${encodeURIComponent(invoice.number)}`], ["keys", "/keys"], ["sessions", "/sessions"], ["not-found", "/contracts/nothing"], ["sign-in", "/sign-in"],
  ];
  for (const [width, height] of [[1440, 900], [1024, 768], [390, 844]]) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open({ viewport: { width, height }, colorScheme });
      for (const [name, path] of pages) {
        await page.goto(`${url}${path}`);
        if (name === "queue-filtered" || name.startsWith("case") || name.startsWith("contract-")) {
          await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
        }
        await (width === 1024 ? fits(page, `${name} ${colorScheme}`) : audit(page, `${name} ${colorScheme}`));
        await page.screenshot({ path: `${shots}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      }
      await page.context().close();
    }
  }
}

await fill();
await everyPage();
await findsWhatIsStuck();
await seesNextMonth();
await closesMarch();
await worksByKeyboard();
await worksWithoutScripts();
await exportsLists();
await readsADocument();
await filesAContract();
await readsPdfAndWord();
await approvesThirty();
await editsTheWorkbook();
await filesAChangeOrder();
await browser.close();
console.log(`${checks} checks, ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
